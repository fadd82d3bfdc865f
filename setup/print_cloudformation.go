package setup

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// CloudFormation has no resource for custom sources: the template brings a function that makes them.
//
//go:embed cloudformation.py
var sourceFunction string

type object = map[string]any

// printCloudFormation writes a template for one region. Deleting the stack leaves the sources: objects of theirs remain.
func printCloudFormation(w io.Writer, p Paper, region string) error {
	account, bucket, key := "${AWS::AccountId}", "${LakeBucket}", "${LakeKmsKeyArn}"
	l := Lake{Region: region, Bucket: bucket, KMSKey: key}
	crawlerName := p.Crawler.name()
	crawler, resources := any(p.Crawler.ARN), object{}
	caller := CallerPolicy(account, or(p.Crawler.ARN, "", crawlerName), l)
	for i := range caller.Statement {
		if caller.Statement[i].Sid == "CrawlerRole" {
			caller.Statement[i].Action = []string{"iam:GetRole"} // the stack makes it
		}
	}
	if p.Crawler.ARN == "" {
		crawler = object{"Fn::GetAtt": []string{"CrawlerRole", "Arn"}}
		resources["CrawlerRole"] = object{"Type": "AWS::IAM::Role", "Properties": object{
			"RoleName": crawlerName, "Description": "Glue crawler of the custom sources of wazuh-security-lake",
			"AssumeRolePolicyDocument": CrawlerTrust(), "ManagedPolicyArns": []string{glueServiceRole(PartitionOf(region))},
			"Policies": []any{object{"PolicyName": crawlerPolicyName, "PolicyDocument": substituted(CrawlerPolicy(l))}},
		}}
	}
	resources["SetupRole"] = object{"Type": "AWS::IAM::Role", "Properties": object{
		"Description":              "Makes the custom sources of wazuh-security-lake when the stack is deployed",
		"AssumeRolePolicyDocument": policy(Statement{Effect: "Allow", Principal: service("lambda.amazonaws.com"), Action: []string{"sts:AssumeRole"}}),
		"ManagedPolicyArns":        []string{"arn:" + PartitionOf(region) + ":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
		"Policies":                 []any{object{"PolicyName": "custom-sources", "PolicyDocument": substituted(caller)}},
	}}
	resources["SetupFunction"] = object{"Type": "AWS::Lambda::Function", "Properties": object{
		"Description": "Makes the custom sources of wazuh-security-lake when the stack is deployed",
		"Runtime":     "python3.13", "Handler": "index.handler", "Timeout": 300, "Role": object{"Fn::GetAtt": []string{"SetupRole", "Arn"}},
		"Code": object{"ZipFile": sourceFunction},
	}}
	resources["SetupCatalog"] = object{"Type": "AWS::LakeFormation::PrincipalPermissions", "Properties": object{
		"Principal": object{"DataLakePrincipalIdentifier": object{"Fn::GetAtt": []string{"SetupRole", "Arn"}}},
		"Resource": object{"Database": object{"CatalogId": object{"Ref": "AWS::AccountId"},
			"Name": documented("", region).Database}},
		"Permissions": []string{"CREATE_TABLE", "ALTER", "DROP", "DESCRIBE"}, "PermissionsWithGrantOption": []string{},
	}}
	outputs, roles, before := object{}, []any{}, "SetupCatalog"
	for i, source := range p.Sources {
		id := fmt.Sprintf("Source%d", i)
		resources[id] = object{"Type": "Custom::WazuhSecurityLakeSource", "DependsOn": before, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
			"Properties": object{
				"ServiceToken": object{"Fn::GetAtt": []string{"SetupFunction", "Arn"}}, "SourceName": source.Name, "EventClass": source.EventClass(),
				"ExternalId": source.ExternalID, "CrawlerRoleArn": crawler,
				"Principal": object{"Fn::If": []any{"OtherAccount", object{"Ref": "ManagerAccount"}, object{"Ref": "AWS::AccountId"}}},
			}}
		for _, attribute := range []string{"Location", "RoleArn", "CrawlerArn", "TableArn"} {
			outputs[id+attribute] = object{"Description": attribute + " of source " + source.Name, "Value": object{"Fn::GetAtt": []string{id, attribute}}}
		}
		roles = append(roles, object{"Fn::GetAtt": []string{id, "RoleArn"}})
		before = id // one after the other: Security Lake refuses sources that are made at the same time
	}
	resources["ManagerPolicy"] = object{"Type": "AWS::IAM::ManagedPolicy", "Properties": object{
		"Description":    "For the identity of the managers: assume the provider roles of the custom sources",
		"PolicyDocument": object{"Version": "2012-10-17", "Statement": []any{object{"Sid": "AssumeProviderRoles", "Effect": "Allow", "Action": []string{"sts:AssumeRole"}, "Resource": roles}}},
	}}
	outputs["ManagerPolicyArn"] = object{"Description": "Attach it to the identity of the managers", "Value": object{"Ref": "ManagerPolicy"}}
	parameter := func(description, value string) object {
		return object{"Type": "String", "Description": description, "Default": value}
	}
	lakeBucket := object{"Type": "String", "Description": "Bucket of the Security Lake in " + region}
	if p.Bucket != "" {
		lakeBucket["Default"] = p.Bucket
	}
	_, err := io.WriteString(w, indented(object{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Description": "Custom sources of wazuh-security-lake in Amazon Security Lake, region " + region + ". Deploy it in the account of the lake, as an administrator " +
			"of the data lake in Lake Formation, with CAPABILITY_NAMED_IAM. Deleting the stack leaves the sources.",
		"Parameters": object{
			"LakeBucket": lakeBucket, "LakeKmsKeyArn": parameter("ARN of the customer's key that encrypts the lake; empty when S3 manages it", ""),
			"ManagerAccount": parameter("Account of the managers' credentials, 12 digits; empty is this account", p.Principal),
		},
		"Conditions": object{
			"HasKey":       object{"Fn::Not": []any{object{"Fn::Equals": []any{object{"Ref": "LakeKmsKeyArn"}, ""}}}},
			"OtherAccount": object{"Fn::Not": []any{object{"Fn::Equals": []any{object{"Ref": "ManagerAccount"}, ""}}}},
		},
		"Resources": resources, "Outputs": outputs,
	}))
	return err
}

// substituted is a policy as a template holds it: texts with ${...} are substituted, the statement for the key is there
// only when there is a key.
func substituted(p Policy) any {
	var document object
	if err := json.Unmarshal([]byte(p.String()), &document); err != nil {
		panic(err) // it was written a moment ago
	}
	statements, _ := document["Statement"].([]any)
	for i, s := range statements {
		isKey := strings.Contains(indented(s), "${LakeKmsKeyArn}")
		statements[i] = substitute(s)
		if isKey {
			statements[i] = object{"Fn::If": []any{"HasKey", statements[i], object{"Ref": "AWS::NoValue"}}}
		}
	}
	return document
}

func substitute(v any) any {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "${") {
			return object{"Fn::Sub": v}
		}
	case []any:
		for i := range v {
			v[i] = substitute(v[i])
		}
	case object:
		for k := range v {
			v[k] = substitute(v[k])
		}
	}
	return v
}
