package sigv4

// Code is why a request is not accepted. Its text is what AWS's JSON services call it; the query
// services (IAM, STS) have names of their own for some, see Code.Query.
type Code string

// The codes, as in https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html
const (
	// MissingAuthenticationToken: the request is not signed at all.
	MissingAuthenticationToken Code = "MissingAuthenticationTokenException"
	// IncompleteSignature: the signature's form is wrong: a part is missing, doubled or unreadable.
	IncompleteSignature Code = "IncompleteSignatureException"
	// UnrecognizedClient: there is no such access key, it is inactive, or its session token is wrong.
	UnrecognizedClient Code = "UnrecognizedClientException"
	// InvalidSignature: the signature is not that of the request, or its time is too far off.
	InvalidSignature Code = "InvalidSignatureException"
	// ExpiredToken: the session is over.
	ExpiredToken Code = "ExpiredTokenException"
)

// Status is the HTTP status that AWS gives the code.
func (c Code) Status() int {
	if c == IncompleteSignature {
		return 400
	}
	return 403
}

// Query is the code's name in the query protocol.
func (c Code) Query() string {
	switch c {
	case MissingAuthenticationToken:
		return "MissingAuthenticationToken"
	case IncompleteSignature:
		return "IncompleteSignature"
	case UnrecognizedClient:
		return "InvalidClientTokenId"
	case InvalidSignature:
		return "SignatureDoesNotMatch"
	case ExpiredToken:
		return "ExpiredToken"
	}
	return string(c)
}

// Error says what is wrong with a request's signature. Its message holds nothing secret.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }
