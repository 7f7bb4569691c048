// Package sigv4 verifies AWS Signature Version 4, of headers and of presigned URLs. It is pure: the clock
// and the keys are passed in.
//
// The algorithm: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4
