import os
import time

import boto3
import cfnresponse


def find(lake, name):
    pages = lake.get_paginator("list_log_sources")
    for page in pages.paginate(regions=[os.environ["AWS_REGION"]]):
        for account in page["sources"]:
            for item in account["sources"]:
                source = item.get("customLogSource")
                if source and source["sourceName"] == name:
                    return source
    return None


def create(lake, p):
    identity = {"externalId": p["ExternalId"], "principal": p["Principal"]}
    for wait in (5, 10, 20, None):
        try:
            return lake.create_custom_log_source(
                sourceName=p["SourceName"],
                eventClasses=[p["EventClass"]],
                configuration={
                    "crawlerConfiguration": {"roleArn": p["CrawlerRoleArn"]},
                    "providerIdentity": identity,
                },
            )["source"]
        except lake.exceptions.BadRequestException as error:
            # A new role takes seconds to become known to Glue.
            if wait is None or "role" not in str(error).lower():
                raise
            time.sleep(wait)


def handler(event, context):
    p = event["ResourceProperties"]
    name, old = p["SourceName"], event.get("OldResourceProperties", {})
    status, data, reason = cfnresponse.SUCCESS, {}, None
    try:
        if event["RequestType"] != "Delete":  # a source outlives its stack: its objects do
            if old.get("SourceName") == name and old.get("EventClass") != p["EventClass"]:
                raise ValueError("a source never changes its class: choose another name")
            lake = boto3.client("securitylake")
            source = find(lake, name) or create(lake, p)
            data = {
                "Location": source["provider"]["location"],
                "RoleArn": source["provider"]["roleArn"],
                "CrawlerArn": source["attributes"]["crawlerArn"],
                "TableArn": source["attributes"]["tableArn"],
            }
    except Exception as error:
        status, reason = cfnresponse.FAILED, str(error)
    physical = event["PhysicalResourceId"] if event["RequestType"] == "Delete" else name
    cfnresponse.send(event, context, status, data, physical, reason=reason)
