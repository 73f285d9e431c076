"""schemathesis over the OpenAPI document: no 5xx, and every answer as the document says.

    python tests/fuzz_api.py --cases 1000 --seed 0

The test suite runs a part of it.
"""

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass
class Report:
    """What came of it."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def explore(server: Any, cases: int, seed: int) -> Report:
    """Calls every operation of a running server, about ``cases`` times in all.

    Half of the calls that name a puzzle or a piece name one that is there, so that they get past
    404.  Identifiers are the only thing put in.
    """
    from service_support import add_small, encoded, send_photos, small_picture, small_piece

    real = [encoded(small_piece(1, 2)), encoded(small_piece(0, 0)), encoded(small_picture())]
    files = hypothesis.strategies.sampled_from(real) | hypothesis.strategies.binary()
    schemathesis.openapi.format("binary", files)
    document = server.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]
    report = Report()

    def existing() -> dict[str, str]:
        """Identifiers of what is there; anew where the calls have deleted it."""
        puzzles = server.client.get("/v1/puzzles").json()["puzzles"]
        puzzle = next((p["id"] for p in puzzles if p["name"] == "fuzzed"), None)
        if puzzle is None:
            puzzle = add_small(server.client, name="fuzzed")["id"]
        pieces = server.client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"]
        if not pieces:
            pieces = send_photos(server.client, puzzle, encoded(small_piece(0, 0))).json()["pieces"]
        return {"puzzle": puzzle, "piece": pieces[0]["id"]}

    def check(operation: Any, seed: int) -> None:
        endless = operation.path.endswith("/events")

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=-(-cases // len(operations)),
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(), known=hypothesis.strategies.booleans())
        def call(case: Any, known: bool) -> None:
            if known and not endless and case.path_parameters:
                ids = existing()
                case.path_parameters = {
                    name: ids.get(name, value) for name, value in case.path_parameters.items()
                }
            response = case.call(base_url=str(server.client.base_url), timeout=60)
            report.calls += 1
            report.statuses[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        call()

    while report.calls < cases and not report.failures:
        for operation in operations:
            try:
                check(operation, seed)
            except Exception as error:
                report.failures.append(f"{operation.label}: {error}")
        seed += 1
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from conftest import write_plain_weights
    from service_support import Server

    with (
        tempfile.TemporaryDirectory() as folder,
        Server(
            Path(folder) / "data", write_plain_weights(Path(folder) / "plain.safetensors")
        ) as server,
    ):
        report = explore(server, args.cases, args.seed)
    print("calls:", report.calls, "statuses:", dict(sorted(report.statuses.items())))
    for failure in report.failures:
        print(failure)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
