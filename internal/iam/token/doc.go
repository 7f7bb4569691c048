// Package token is how kubectl shows who it is: tokens as `aws eks get-token` makes them, whom they stand for in a
// cluster by its access entries, and what its access policies allow.
//
// A token is a presigned request GetCallerIdentity that nobody ever sends: who knows the secret can check the
// signature itself. So neither side needs a network, and a client may have signed for AWS's own host. See
// https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
package token
