package authentication

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// metrics of an API server's authentication_config_controller, which begin with this.
const metrics = "apiserver_authentication_config_controller_"

var (
	hashLabel   = regexp.MustCompile(`[{,]hash="([^"]*)"`)
	statusLabel = regexp.MustCompile(`[{,]status="([^"]*)"`)
)

// Loaded is what an API server says of its authentication configuration.
type Loaded struct {
	// Hash of the one that it works with.
	Hash string
	// Failing tells that its last attempt to load another one failed: it could not reach the provider, say.
	Failing bool
}

// ReadLoaded reads an API server's metrics. One that says nothing of its configuration is an error.
func ReadLoaded(text io.Reader) (Loaded, error) {
	var loaded Loaded
	last := map[string]float64{}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line, ok := strings.CutPrefix(lines.Text(), metrics)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(line, "{")
		switch name {
		case "last_config_info":
			if hash := hashLabel.FindStringSubmatch(line); hash != nil {
				loaded.Hash = hash[1]
			}
		case "automatic_reload_last_timestamp_seconds":
			at, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
			status := statusLabel.FindStringSubmatch(line)
			if err != nil || status == nil {
				return Loaded{}, fmt.Errorf("reading an API server's metrics: %q is no time of a reload", line)
			}
			last[status[1]] = at
		}
	}
	if err := lines.Err(); err != nil {
		return Loaded{}, fmt.Errorf("reading an API server's metrics: %w", err)
	}
	if loaded.Hash == "" {
		return Loaded{}, fmt.Errorf("an API server's metrics lack %slast_config_info", metrics)
	}
	loaded.Failing = last["failure"] > last["success"]
	return loaded, nil
}
