"""How Salesforce tells of its objects: ``describe`` of one, with every key of the real answer, and of all in short.

Follows the vendor's pages "sObject Describe" and "DescribeSObjectResult", and answers of real orgs at v58 to v61 that
are public. Unverified: which of the keys are missing from answers of much older versions; here none is.
"""

from collections.abc import Mapping
from typing import Any

from integrations.sandbox.salesforce_schema import NUMBER_TYPES, Field, SObject

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "anyType": "xsd:anyType",
}
_MASTER_RECORD_TYPE = "012000000000000AAA"
_FIELD: Mapping[str, Any] = {
    "aiPredictionField": False,
    "calculatedFormula": None,
    "caseSensitive": False,
    "compoundFieldName": None,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "extraTypeInfo": None,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "queryByDistance": False,
    "referenceTargetField": None,
    "restrictedDelete": False,
    "searchPrefilterable": False,
    "writeRequiresMasterRead": False,
}
_OBJECT: Mapping[str, Any] = {
    "activateable": False,
    "associateEntityType": None,
    "associateParentEntity": None,
    "customSetting": False,
    "deepCloneable": False,
    "deprecatedAndHidden": False,
    "feedEnabled": False,
    "hasSubtypes": False,
    "isInterface": False,
    "isSubtype": False,
}
_WHOLE: Mapping[str, Any] = {
    "actionOverrides": [],
    "compactLayoutable": True,
    "dataTranslationEnabled": False,
    "defaultImplementation": None,
    "extendedBy": None,
    "extendsInterfaces": None,
    "implementedBy": None,
    "implementsInterfaces": None,
    "listviewable": None,
    "lookupLayoutable": None,
    "namedLayoutInfos": [],
    "networkScopeFieldName": None,
    "sobjectDescribeOption": "FULL",
}


def described(entity: SObject, version: str, host: str) -> dict[str, Any]:
    """The whole answer of ``sobjects/{name}/describe``.

    Args:
        host: Where the org is, with its scheme: links to pages for people name it.
    """
    base = _base(entity, version)
    pages = {"uiDetailTemplate": f"{host}/{{ID}}", "uiEditTemplate": f"{host}/{{ID}}/e"}
    if not entity.is_history:
        pages["uiNewRecord"] = f"{host}/{entity.key_prefix}/e"
    short = summary(entity, version)
    more = {name: f"{base}/{path}" for name, path in _LINKS.items()}
    return {
        **_WHOLE,
        **short,
        "childRelationships": [_child(*each) for each in entity.children],
        "fields": [_field(each, entity) for each in entity.fields],
        "recordTypeInfos": [_record_type(base)],
        "searchLayoutable": short["searchable"],
        "supportedScopes": _scopes(entity),
        "urls": {**short["urls"], **more, **pages},
    }


def summary(entity: SObject, version: str) -> dict[str, Any]:
    """The object as one entry of the global describe."""
    base, is_written = _base(entity, version), entity.can_be_written
    return {
        **_OBJECT,
        "createable": is_written,
        "custom": entity.is_custom,
        "deletable": is_written and entity.can_be_deleted,
        "keyPrefix": None if entity.is_history else entity.key_prefix,
        "label": entity.label,
        "labelPlural": entity.plural,
        "layoutable": is_written,
        "mergeable": entity.is_mergeable,
        "mruEnabled": is_written,
        "name": entity.name,
        "queryable": True,
        "replicateable": not entity.is_history,
        "retrieveable": True,
        "searchable": is_written,
        "triggerable": is_written,
        "undeletable": is_written and entity.can_be_deleted,
        "updateable": is_written,
        "urls": {"rowTemplate": base + "/{ID}", "describe": base + "/describe", "sobject": base},
    }


_LINKS = {
    "approvalLayouts": "describe/approvalLayouts",
    "compactLayouts": "describe/compactLayouts",
    "layouts": "describe/layouts",
    "quickActions": "quickActions",
}


def _base(entity: SObject, version: str) -> str:
    return f"/services/data/v{version}/sobjects/{entity.name}"


def _child(name: str, child: str, by: str, cascades: bool) -> dict[str, Any]:
    return {
        "cascadeDelete": cascades,
        "childSObject": child,
        "deprecatedAndHidden": False,
        "field": by,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": name,
        "restrictedDelete": False,
    }


def _record_type(base: str) -> dict[str, Any]:
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": _MASTER_RECORD_TYPE,
        "urls": {"layout": f"{base}/describe/layouts/{_MASTER_RECORD_TYPE}"},
    }


def _scopes(entity: SObject) -> list[dict[str, str]]:
    every = [{"label": f"All {entity.plural.lower()}", "name": "everything"}]
    return [*every, {"label": f"My {entity.plural.lower()}", "name": "mine"}] if entity.has_owner else every


def _field(field: Field, entity: SObject) -> dict[str, Any]:
    """One entry of ``fields``."""
    return {
        **_FIELD,
        **_type_of(field),
        "aggregatable": field.is_open and field.type != "boolean",
        "autoNumber": field.auto_number is not None,
        "calculated": field.calculated,
        "cascadeDelete": field.is_master or field.cascades,
        "createable": field.written,
        "custom": field.is_custom,
        "defaultValue": (field.default or False) if field.type == "boolean" else None,
        "defaultedOnCreate": field.default is not None or field.type == "boolean" or not field.written,
        "externalId": field.external_id,
        "filterable": field.is_open,
        "groupable": field.is_groupable,
        "idLookup": entity.is_found_by(field),
        "label": entity.label + " ID" if field.type == "id" else field.label,
        "name": field.name,
        "nameField": field.name == entity.record_name and field.type != "id",
        "namePointing": len(field.refers_to) > 1,
        "nillable": not field.required and field.type not in {"id", "boolean"},
        "permissionable": field.written and not field.required and not field.is_master,
        "picklistValues": [_choice(value, field) for value in field.values],
        "polymorphicForeignKey": len(field.refers_to) > 1,
        "referenceTo": list(field.refers_to),
        "relationshipName": field.relationship,
        "relationshipOrder": 0 if field.is_master else None,
        "restrictedPicklist": field.restricted,
        "sortable": field.is_open and field.type != "multipicklist",
        "unique": field.unique,
        "updateable": field.written and field.updated,
    }


def _type_of(field: Field) -> dict[str, Any]:
    is_key, is_number = field.type in {"id", "reference"}, field.type in NUMBER_TYPES - {"int"}
    said: dict[str, Any] = {
        "byteLength": field.length if is_key else field.length * 3,
        "digits": 8 if field.type == "int" else 0,
        "length": field.length,
        "precision": 18 if is_number else 0,
        "scale": field.scale,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "type": field.type,
    }
    return {**said, "extraTypeInfo": "plaintextarea"} if field.type == "textarea" else said


def _choice(value: str, field: Field) -> dict[str, Any]:
    return {
        "active": True,
        "defaultValue": value == field.default,
        "label": value,
        "validFor": None,
        "value": value,
    }
