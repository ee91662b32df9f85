"""What many profiles say together: analyses, one file each, as tables and charts; pictures; an HTML report.

Pure: it is given profiles as rows, and knows no service.
"""
