"""Validates lines of JSON on standard input against the schema named first, and prints the messages it has seen.

Beyond what the schema says to others, no line may have a field that the schema does not name.
"""

import json
import sys

from jsonschema import Draft202012Validator

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator({**schema, "unevaluatedProperties": False})
for line in sys.stdin:
    event = json.loads(line)
    for error in validator.iter_errors(event):
        sys.exit(f"{error.message}, in {line}")
    print(event["message"])
