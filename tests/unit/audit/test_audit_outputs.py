"""What an audit says to machines: SARIF, JUnit, JSON; and the baseline."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import jsonschema
import pytest

from builder.audit.baseline import baseline_counts, baseline_text, new_findings
from builder.audit.examine import examine
from builder.audit.finding import Finding, Severity
from builder.audit.junit import junit
from builder.audit.policy import at_least, findings_of_severity_error
from builder.audit.rules import RULES
from builder.errors import BuilderError
from builder.report.sarif import sarif

# The parts of the SARIF 2.1.0 schema that a code host needs, with its own names and limits (sections 3.13-3.30).
SHAPE = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "$defs": {
        "text": {
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": {"type": "string"}},
        },
        "level": {"enum": ["none", "note", "warning", "error"]},
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/text"},
                "fullDescription": {"$ref": "#/$defs/text"},
                "help": {"$ref": "#/$defs/text"},
                "defaultConfiguration": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"level": {"$ref": "#/$defs/level"}},
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": -1},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/text"},
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "locations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["physicalLocation"],
                        "properties": {
                            "physicalLocation": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "artifactLocation": {
                                        "type": "object",
                                        "required": ["uri"],
                                        "properties": {"uri": {"type": "string", "pattern": r"^[^\s\\]+$"}},
                                    },
                                    "region": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "startLine": {"type": "integer", "minimum": 1},
                                            "startColumn": {"type": "integer", "minimum": 1},
                                        },
                                    },
                                },
                            }
                        },
                    },
                },
            },
        },
    },
}


def found(
    path: str = "a b/x.sh", text: str = "curl -k x\nwget --no-check-certificate x\ncurl -k x\n"
) -> tuple[Finding, ...]:
    return examine(path, text)


def test_sarif_has_the_shape_of_its_schema():
    findings = (*found(), *examine("/etc/x/\udce9.condarc/condarc", "channels: [defaults]\n"))
    document = json.loads(sarif(findings, version="1"))
    jsonschema.Draft202012Validator(SHAPE).validate(document)
    driver = document["runs"][0]["tool"]["driver"]
    assert [r["id"] for r in driver["rules"]] == list(RULES)
    for result in document["runs"][0]["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    first = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert first == {"artifactLocation": {"uri": "a%20b/x.sh"}, "region": {"startLine": 1, "startColumn": 6}}


def test_a_sarif_of_another_shape_is_refused_by_that_check():
    document = json.loads(sarif(found(), version="1"))
    document["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError, match="fatal"):
        jsonschema.Draft202012Validator(SHAPE).validate(document)


def test_junit_has_a_case_for_each_file_and_rule_and_fails_from_the_severity_on():
    findings = (*found(), *examine(".condarc", "channels: [defaults]\n"))
    root = ElementTree.fromstring(junit(findings, fails=Severity.ERROR))
    cases = [(c.get("classname"), c.get("name", "").split()[0], [e.tag for e in c]) for c in root.iter("testcase")]
    assert cases == [
        (".condarc", "CONDA012", ["system-out"]),
        ("a b/x.sh", "CURL001", ["failure"]),
        ("a b/x.sh", "WGET001", ["failure"]),
    ]
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    assert ElementTree.fromstring(junit(findings, fails=Severity.NOTE)).get("failures") == "3"


def test_a_baseline_passes_what_was_there_by_wherever_it_moved():
    known = baseline_counts(baseline_text(found()), "b.json")
    assert new_findings(found(text="\n\ncurl -k x\necho\nwget --no-check-certificate x\ncurl -k x\n"), known) == ()


def test_a_baseline_does_not_pass_one_more_of_the_same_by():
    known = baseline_counts(baseline_text(found()), "b.json")
    more = found(text="curl -k x\ncurl -k x\ncurl -k x\nwget --no-check-certificate x\n")
    assert [f.line for f in new_findings(more, known)] == [3]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"findings": [1]}', '{"findings": [{"fingerprint": "x", "count": "many"}]}']
)
def test_what_is_no_baseline_is_refused_with_what_to_do(text):
    with pytest.raises(BuilderError, match="this is no baseline") as error:
        baseline_counts(text, "b.json")
    assert error.value.remedy == "make it again with `builder audit --write-baseline`"


def test_the_policy_takes_errors_alone():
    findings = examine(".condarc", "channels: [defaults, https://x/pkgs/free]\nssl_verify: no\n")
    assert sorted(f.severity.value for f in findings) == ["error", "note", "warning"]
    assert [f.rule for f in findings_of_severity_error(findings)] == ["CONDA001"]
    assert len(at_least(findings, Severity.WARNING)) == 2
    assert len(at_least(findings, Severity.NOTE)) == 3
