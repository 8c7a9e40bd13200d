"""The conventions of the Kubernetes API, checked on the committed definitions as kueue checks them on its Go types."""

import re
from pathlib import Path

import pytest
import yaml

CRDS = {
    path.stem.removeprefix("opssight.dev_"): yaml.safe_load(path.read_text())
    for path in (Path(__file__).parents[2] / "crds").glob("*.yaml")
}
BOOLEANS = {"suspend"}  # each with its reason: an enum could not grow here, work goes on or it does not


def version_of(crd):
    (version,) = crd["spec"]["versions"]
    return version


def root_of(crd):
    return version_of(crd)["schema"]["openAPIV3Schema"]


def nodes(node, path="", name=""):
    """Every node of a schema with its path and the name of its field (empty for list items and map values)."""
    yield path, name, node
    for child, schema in node.get("properties", {}).items():
        yield from nodes(schema, f"{path}.{child}", child)
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


FIELDS = {
    plural: [
        field for part in ("spec", "status") for field in nodes(root_of(crd)["properties"][part], f".{part}", part)
    ]
    for plural, crd in CRDS.items()
}
NAMED = {plural: [field for field in fields if field[1]] for plural, fields in FIELDS.items()}
of_each_kind = pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
of_each_kind_by_name = pytest.mark.parametrize("fields", NAMED.values(), ids=NAMED)


@of_each_kind_by_name
def test_a_field_is_described_in_a_sentence_that_begins_with_its_name(fields):
    for path, name, schema in fields:
        description = schema["description"]
        assert re.match(rf"{name}\b", description), path
        assert description.endswith("."), path
        assert len(description.split()) >= 2, path
        assert "`" not in description and "  " not in description, path


@of_each_kind_by_name
def test_a_default_in_a_description_is_the_default(fields):
    for path, _, schema in fields:
        promised = re.search(r"default is (?!the )\"?((?<=\")[^\"]*(?=\")|\S+?)\"?[.;,]?(\s|$)", schema["description"])
        scalar = schema["type"] in ("string", "integer") and "enum" not in schema
        if promised and scalar:
            assert promised[1] == str(schema["default"]), path
        if scalar and "default" in schema:
            assert promised, f"{path} does not say that its default is {schema['default']}"


@of_each_kind_by_name
def test_names_are_camel_case(fields):
    for path, name, _ in fields:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", name), path


@of_each_kind
def test_everything_is_bounded(fields):
    for path, _, schema in fields:
        match schema["type"]:
            case "string":
                assert "enum" in schema or schema["maxLength"] > 0, path
            case "integer":
                assert "minimum" in schema, path
                assert schema["format"] in ("int32", "int64"), path
            case "array":
                assert schema["maxItems"] > 0, path
            case "object" if "additionalProperties" in schema:
                assert schema["maxProperties"] > 0, path


@of_each_kind
def test_there_are_no_floats_and_no_booleans_that_could_have_been_an_enum(fields):
    for path, name, schema in fields:
        assert schema["type"] in ("string", "integer", "boolean", "array", "object"), path
        assert schema["type"] != "boolean" or name in BOOLEANS, path


@of_each_kind
def test_lists_say_how_they_are_merged(fields):
    lists = [(path, schema) for path, _, schema in fields if schema["type"] == "array"]
    assert lists
    for path, schema in lists:
        kind = schema["x-kubernetes-list-type"]
        assert kind in ("map", "set", "atomic"), path
        assert set(schema.get("x-kubernetes-list-map-keys", [])) <= set(schema["items"].get("required", [])), path
        assert (kind == "set") == (schema["items"]["type"] == "string"), path


@of_each_kind
def test_enum_values_are_pascal_case(fields):
    for path, _, schema in fields:
        for value in schema.get("enum", []):
            assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", value), path


@of_each_kind
def test_a_rejection_is_a_sentence_and_not_a_pattern(fields):
    for path, _, schema in fields:
        assert "pattern" not in schema, path
        for rule in schema.get("x-kubernetes-validations", []):
            assert len(rule["message"].split()) >= 4, path
            assert not rule["message"].endswith("."), path


@of_each_kind
def test_the_schema_is_structural(fields):
    loose = {"$ref", "anyOf", "oneOf", "allOf", "not", "title", "x-kubernetes-preserve-unknown-fields"}
    for path, _, schema in fields:
        assert not loose & set(schema), path
        assert schema.get("additionalProperties") is not False, path


@of_each_kind_by_name
def test_references_say_what_they_refer_to_and_no_namespace(fields):
    references = [(path, schema) for path, name, schema in fields if name.endswith("Ref")]
    assert references
    for path, schema in references:
        assert set(schema["properties"]) <= {"name", "key"}, path
        assert schema["x-kubernetes-map-type"] == "atomic", path


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_the_status_has_standard_conditions_and_no_phase(crd):
    status = root_of(crd)["properties"]["status"]
    assert "observedGeneration" in status["properties"]
    assert not {"phase", "state"} & set(status["properties"])
    conditions = status["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    entry = conditions["items"]
    assert set(entry["required"]) == {"type", "status", "lastTransitionTime", "reason", "message"}
    assert set(entry["properties"]) == {*entry["required"], "observedGeneration"}
    assert entry["properties"]["status"]["enum"] == ["True", "False", "Unknown"]
    assert entry["properties"]["lastTransitionTime"]["format"] == "date-time"


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_nothing_is_filled_into_a_status_but_that_nobody_has_looked_yet(crd):
    """For kstatus an object without any status is done, so that Flux would wait for nothing."""
    status = root_of(crd)["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}, "no generation of an object is negative"
    for path, _, schema in nodes(status, "status"):
        assert "default" not in schema or path == "status", path


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_a_field_with_a_default_is_never_required(crd):
    for path, _, schema in nodes(root_of(crd)):
        for name in schema.get("required", []):
            assert "default" not in schema["properties"][name], f"{path}.{name}"


@pytest.mark.parametrize(("plural", "crd"), CRDS.items(), ids=CRDS)
def test_the_definition_itself(plural, crd):
    spec, version, names = crd["spec"], version_of(crd), crd["spec"]["names"]
    assert crd["metadata"]["name"] == f"{plural}.opssight.dev"
    assert spec["group"] == "opssight.dev"
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}
    assert names["plural"] == plural
    assert names["kind"].lower() == names["singular"]
    assert names["categories"] == ["opssight"]
    assert all(len(short) >= 3 for short in names["shortNames"])
    assert spec["scope"] == ("Cluster" if plural == "metricssources" else "Namespaced")


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_kubectl_get_begins_with_readiness_and_its_reason_and_has_the_age(crd):
    columns = version_of(crd)["additionalPrinterColumns"]
    shown = [column["name"] for column in columns if column.get("priority", 0) == 0]
    assert shown[:2] == ["Ready", "Reason"]
    assert shown[-1] == "Age"
    assert len(shown) <= 8
    for column in columns:
        assert column["description"].endswith(".")


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_columns_show_fields_that_exist(crd):
    known = {path.replace("[]", "[0]") for path, _, _ in nodes(root_of(crd))}
    for column in version_of(crd)["additionalPrinterColumns"]:
        path = column["jsonPath"].replace('[?(@.type=="Ready")]', "[0]")
        assert path in known or path == ".metadata.creationTimestamp", path


def test_short_names_differ():
    names = [short for crd in CRDS.values() for short in crd["spec"]["names"]["shortNames"]]
    assert sorted(names) == sorted(set(names)) == ["adet", "msrc", "prep", "tpol"]
