package probe

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// patient sends a request again where the server says that it has not begun with it, and when to come again: 429 or 503
// with Retry-After. Every client of client-go does so (https://pkg.go.dev/k8s.io/client-go/rest#Request.MaxRetries). An
// API server that stops relies on it for the moment in which it still reads from a connection that it has told to go
// away. Nothing else is sent twice.
type patient struct {
	next  http.RoundTripper
	asked *atomic.Int64
}

func (p patient) RoundTrip(request *http.Request) (*http.Response, error) {
	for {
		response, err := p.next.RoundTrip(request)
		if err != nil || request.Body != nil && request.GetBody == nil {
			return response, err
		}
		delay, again := retryAfter(response)
		if !again {
			return response, nil
		}
		p.asked.Add(1)
		_, _ = io.Copy(io.Discard, response.Body) // So that the connection can be used again.
		response.Body.Close()
		select {
		case <-request.Context().Done():
			return nil, request.Context().Err()
		case <-time.After(delay):
		}
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func retryAfter(response *http.Response) (time.Duration, bool) {
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second, err == nil
}
