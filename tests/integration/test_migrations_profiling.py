"""The step to profiling and back keeps the catalogue that is there."""

from __future__ import annotations

import sqlalchemy as sa

from search_service.domain.catalog import Filter
from search_service.domain.jobs import JobFilter
from search_service.storage.engines import make_engine
from search_service.storage.schema import downgrade, migrate
from search_service.storage.sql import open_database
from tests.catalogue import a_dataset, a_model, put_dataset, put_models
from tests.contracts.test_storage_contract_samples import SAMPLE
from tests.integration.test_migrations import empty_postgres, url
from tests.profiling_objects import a_job, a_profile, a_spec, an_agent, put_agents, put_jobs, put_profiles, take

__all__ = ["empty_postgres", "url"]


def test_the_catalogue_stays(url: str) -> None:
    migrate(url)
    database = open_database(url)
    put_dataset(database, "d", sample=SAMPLE)
    put_models(database, a_model("m", dataset_id="d"))
    put_jobs(database, a_job(spec=a_spec(model_id="m")))
    put_agents(database, an_agent())
    assert take(database, an_agent()) is not None
    put_profiles(database, a_profile(model_id="m"))
    database.close()

    downgrade(url, "0001")
    engine = make_engine(url)
    columns = {column["name"] for column in sa.inspect(engine).get_columns("datasets")}
    engine.dispose()
    assert not any(name.startswith("sample") for name in columns)

    migrate(url)
    database = open_database(url)
    with database.begin() as work:
        assert work.models.get("m") == a_model("m", dataset_id="d")
        assert work.datasets.get("d") == a_dataset("d"), "without its sample"
        assert work.datasets.page(Filter(text="handwr"), None, 9).total == 1, "words are still found"
        assert work.jobs.page(JobFilter(), None, 9).total == 0
        work.datasets.replace(a_dataset("d", description="Numerals.", revision=2), (), 1)
        work.commit()
    with database.begin() as work:
        found = [work.datasets.page(Filter(text=word), None, 9).total for word in ("handwritten", "numerals")]
        assert found == [0, 1], "and kept up to date"
    database.close()
