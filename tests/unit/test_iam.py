"""The decisions of the tests' own IAM, which the tests of permissions rely on."""

import pytest

from tests.iam import Access, accesses_of, is_allowed

TABLE = "arn:aws:dynamodb:us-east-1:0:table/t"
READ = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": TABLE}
OWN = {**READ, "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["U#a", "U#a#*"]}}}


@pytest.mark.parametrize(
    ("access", "is_granted"),
    [
        (Access("dynamodb:GetItem", TABLE, ("U#a",)), True),
        (Access("dynamodb:GetItem", TABLE, ("U#a#T#t", "U#a")), True),
        (Access("dynamodb:GetItem", TABLE, ("U#ab",)), False),
        (Access("dynamodb:GetItem", TABLE, ("U#a", "U#b")), False),
        (Access("dynamodb:PutItem", TABLE, ("U#a",)), False),
        (Access("dynamodb:Query", f"{TABLE}/index/by_time", ("U#a",)), False),
    ],
)
def test_an_access_needs_a_statement_that_allows_it_for_all_of_its_keys(access: Access, is_granted: bool) -> None:
    assert is_allowed([OWN], access) is is_granted


def test_a_denial_precedes_what_is_allowed() -> None:
    access = Access("dynamodb:GetItem", TABLE, ("U#a",))
    assert is_allowed([READ], access)
    assert not is_allowed([READ, {**READ, "Effect": "Deny"}], access)
    assert not is_allowed([], access)


@pytest.mark.parametrize(
    ("operator", "key"), [("StringNotLike", "dynamodb:LeadingKeys"), ("ForAllValues:StringLike", "aws:SourceIp")]
)
def test_a_condition_that_is_not_implemented_is_an_error(operator: str, key: str) -> None:
    with pytest.raises(KeyError):
        is_allowed([{**READ, "Condition": {operator: {key: []}}}], Access("dynamodb:GetItem", TABLE, ("U#a",)))


def test_the_accesses_of_a_request_name_each_partition_key() -> None:
    key, item = {"pk": {"S": "a"}, "sk": {"S": "s"}}, {"pk": {"S": "b"}, "sk": {"S": "s"}}
    query = {"KeyConditionExpression": "#p = :p AND #s <= :to", "ExpressionAttributeValues": {":p": {"S": "a"}}}
    batch = {"RequestItems": {"t": [{"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": key}}]}}
    transaction = {"TransactItems": [{"Put": {"Item": item}}, {"Delete": {"Key": key}}]}
    assert list(accesses_of("Query", {**query, "IndexName": "i"}, TABLE)) == [
        Access("dynamodb:Query", f"{TABLE}/index/i", ("a",))
    ]
    assert list(accesses_of("BatchWriteItem", batch, TABLE)) == [Access("dynamodb:BatchWriteItem", TABLE, ("b", "a"))]
    assert list(accesses_of("TransactWriteItems", transaction, TABLE)) == [
        Access("dynamodb:PutItem", TABLE, ("b",)),
        Access("dynamodb:DeleteItem", TABLE, ("a",)),
    ]
    assert list(accesses_of("GetItem", {"Key": key}, TABLE)) == [Access("dynamodb:GetItem", TABLE, ("a",))]
    assert list(accesses_of("PutItem", {"Item": item}, TABLE)) == [Access("dynamodb:PutItem", TABLE, ("b",))]
    assert list(accesses_of("BatchGetItem", {"RequestItems": {"t": {"Keys": [key, item]}}}, TABLE)) == [
        Access("dynamodb:BatchGetItem", TABLE, ("a", "b"))
    ]
