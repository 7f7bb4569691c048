// Package wire is the EKS API as bytes: which operation a request is for, and the JSON of its input
// and output, to and from the types of AWS's own SDK.
//
// Operations, members and where they stand in a request come from the schemas that the SDK carries, so that there is
// nothing here to keep in step by hand but the version of the SDK in go.mod. The protocol is AWS restJson1:
// https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
//
// An input that holds a member, a query parameter or an enumeration value that the model does not know
// is refused by name: it may mean something that its sender relies on.
package wire
