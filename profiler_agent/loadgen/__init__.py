"""Generates load: schedules drawn before the start, issued against the monotonic clock, every request's times kept."""
