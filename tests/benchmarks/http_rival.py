"""The textbook shape of one route: FastAPI, a pydantic model, a session of SQLAlchemy's ORM a request."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Engine, UniqueConstraint, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

KEY = "bench_key"


def is_here() -> bool:
    """Tell whether FastAPI is installed: only the benchmark's own dependency group has it."""
    return find_spec("fastapi") is not None


class Base(DeclarativeBase):
    pass


class Key(Base):
    __tablename__ = "bench_keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    digest: Mapped[str]


class Person(Base):
    __tablename__ = "bench_people"
    __table_args__ = (UniqueConstraint("tenant_id", "email"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    email: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def prepare(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Key(id=1, tenant_id=1, digest=hashlib.sha256(KEY.encode()).hexdigest()))
        session.commit()


def app(url: str) -> Any:
    """Check the key, check the body, add a row, commit, answer with it: the least such a route does."""
    fastapi, pydantic = import_module("fastapi"), import_module("pydantic")
    engine = create_engine(url, pool_size=20)
    given_ = pydantic.create_model(
        "NewPerson", email=(str, ...), first_name=(str, ""), last_name=(str, ""), attributes=(dict, {})
    )
    shown = pydantic.create_model(
        "Person", __base__=given_, id=(int, ...), tenant_id=(int, ...), created_at=(datetime, ...)
    )

    def create(given: Any, request: Any) -> Any:
        text = request.headers.get("authorization", "").removeprefix("Bearer ")
        with Session(engine) as session:
            key = session.get(Key, 1)
            if key is None or not hmac.compare_digest(hashlib.sha256(text.encode()).hexdigest(), key.digest):
                raise fastapi.HTTPException(401)
            person = Person(
                **given.model_dump(), tenant_id=key.tenant_id, created_at=datetime.now(timezone.utc)
            )
            session.add(person)
            session.commit()
            return shown.model_validate(person, from_attributes=True)

    create.__annotations__ = {"given": given_, "request": fastapi.Request}
    made = fastapi.FastAPI()
    made.post("/subscribers", response_model=shown)(create)
    return made
