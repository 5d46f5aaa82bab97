"""Reads an in-toto statement with in-toto's own library, the predicate as its protocol buffer, unknown fields refused."""

import json
import sys

from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

folder = sys.argv[1]
results = json.load(open(f"{folder}/results.json"))
statement = json.load(open(f"{folder}/report.in-toto"))
Statement.copy_from_pb(json_format.ParseDict(statement, statement_pb2.Statement())).validate()
predicate = json_format.ParseDict(statement["predicate"], test_result_pb2.TestResult())
assert predicate.result in ("PASSED", "WARNED", "FAILED")
assert (predicate.result == "FAILED") == (results["verdict"] != "certified")
for file in predicate.configuration:
    ResourceDescriptor.copy_from_pb(file).validate()
    assert len(file.digest["sha256"]) == 64, file
listed = [*predicate.passed_tests, *predicate.warned_tests, *predicate.failed_tests]
performed = [one["id"] for one in results["experiments"] if one["outcome"] != "skip"]
assert sorted(listed) == sorted(performed), (listed, performed)
