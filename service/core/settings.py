"""Every setting of the service, read once from `FIRSTBELL_…` variables (docs/settings.md holds the table)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FIRSTBELL_", extra="ignore", frozen=True)

    home: Path = Field(Path(".firstbell"), description="Folder of the embedded database and its logs.")
    database_url: SecretStr | None = Field(
        None, description="Any PostgreSQL 15 or newer, instead of the embedded one: postgresql://…"
    )
    database_pool: int = Field(20, ge=2, le=200, description="Connections a web process may hold.")
    database_start_limit: int = Field(
        600, ge=5, le=86_400, description="Seconds the embedded database may take to start or to recover."
    )
    statement_timeout: int = Field(
        30, ge=1, le=3600, description="Seconds a statement may take before it is given up."
    )
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8080, ge=0, le=65_535, description="Port the API listens on.")
    processes: int = Field(1, ge=1, le=64, description="Web processes that `serve` starts.")
    max_body: int = Field(1_000_000, ge=1_000, description="Largest request body, in bytes.")
    max_query_depth: int = Field(10, ge=2, le=50, description="Deepest GraphQL query.")
    max_query_cost: int = Field(5_000, ge=10, description="Costliest GraphQL query, in points.")
    max_query_tokens: int = Field(2_000, ge=50, description="Longest GraphQL document, in tokens.")
    max_aliases: int = Field(30, ge=1, le=500, description="Most aliases in one GraphQL document.")
    max_subscriptions: int = Field(20, ge=1, le=1_000, description="Subscriptions one connection may hold.")
    worker_concurrency: int = Field(4, ge=1, le=64, description="Jobs a worker runs side by side.")
    desk_language: Literal["en", "es"] = Field(
        "en", description="Language of notes that guided help leaves on tickets nobody has taken yet."
    )
    photo_days: int = Field(
        180, ge=1, le=3650, description="Days a photo given to guided help is kept after it was taken in."
    )
    sample_days: int = Field(30, ge=2, le=400, description="Days that every sample of the network is kept.")
    hourly_days: int = Field(
        400, ge=2, le=3650, description="Days that hours of the network's samples are kept."
    )
    daily_days: int = Field(
        1826, ge=2, le=36_500, description="Days that days of the network's samples are kept."
    )
    profiles: Path | None = Field(
        None, description="Folder with device profiles of your own, which may extend those that come along."
    )
    snmp_timeout: float = Field(
        2.0, ge=0.1, le=30, description="Seconds that a device may take to answer a question over SNMP."
    )
    snmp_retries: int = Field(1, ge=0, le=5, description="Times that it is asked again.")
    trap_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="UDP port on which the worker hears traps and informs; none: it does not.",
    )
    trap_host: str = Field("0.0.0.0", description="Address on which it hears them.")  # noqa: S104
    network_commands: bool = Field(
        False, description="Whether ports may be cycled, enabled and disabled where a device allows it."
    )
    secret_keys: SecretStr | None = Field(
        None,
        description="Keys that seal secrets at rest, newest first, with commas between; "
        "else one is made in the home folder. Several machines need the same keys.",
    )
    idempotency_hours: int = Field(48, ge=1, le=720, description="Hours an idempotency key is remembered.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines for machines or for eyes; `auto` is for eyes on a terminal."
    )


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
