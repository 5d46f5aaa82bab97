"""Reads a JUnit report with junitparser and compares it with the results that it was made of."""

import json
import sys

from junitparser import Error, Failure, JUnitXml, Skipped

folder = sys.argv[1]
results = json.load(open(f"{folder}/results.json"))
cases = [case for suite in JUnitXml.fromfile(f"{folder}/report.junit") for case in suite]
assert len(cases) == len(results["experiments"])
assert len({case.name for case in cases}) == len(cases), "GitLab keeps the first of two cases with one name"
kinds = {"fail": Failure, "broken": Error, "skip": Skipped}
for case, experiment in zip(cases, results["experiments"]):
    assert case.classname, "Jenkins wants a class name"
    waiver = experiment["waiver"]
    waived = waiver is not None and waiver["state"] == "waived"
    wanted = Skipped if waived else kinds.get(experiment["outcome"])
    found = [type(result) for result in case.result]
    assert found == ([wanted] if wanted else []), (case.name, found, wanted)
    for result in case.result:
        assert result.text and result.text.strip(), "GitLab reads the text and not the message"
