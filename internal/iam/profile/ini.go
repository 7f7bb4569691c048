package profile

import (
	"strings"
)

// section is the name in a line as "[profile naru]".
func section(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[") {
		return "", false
	}
	name, _, closed := strings.Cut(line[1:], "]")
	return strings.Join(strings.Fields(name), " "), closed
}

// key is the name in a line as "region = naru-kr-1". Indented lines belong to the key above.
func key(line string) (name, value string, ok bool) {
	if line == "" || strings.ContainsRune(" \t#;[", rune(line[0])) {
		return "", "", false
	}
	name, value, ok = strings.Cut(line, "=")
	return strings.TrimSpace(name), strings.TrimSpace(value), ok
}

// has tells whether there is a section.
func has(content, name string) bool {
	for line := range strings.Lines(content) {
		if found, ok := section(line); ok && found == name {
			return true
		}
	}
	return false
}

// value of a key in a section.
func value(content, name, wanted string) (string, bool) {
	inside := false
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\r\n")
		if found, ok := section(line); ok {
			inside = found == name
		} else if k, v, ok := key(line); ok && inside && k == wanted {
			return v, true
		}
	}
	return "", false
}

// set gives a section's keys their values and leaves all else as it is. Keys, and the section, that are not there
// are added.
func set(content, name string, values [][2]string) string {
	var before, own, after []string
	part := &before
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\r\n")
		if found, ok := section(line); ok {
			switch {
			case found == name:
				part = &own
			case part == &own:
				part = &after
			}
		}
		*part = append(*part, line)
	}
	if len(own) == 0 {
		if len(before) > 0 && before[len(before)-1] != "" {
			before = append(before, "")
		}
		own = []string{"[" + name + "]"}
	}
	for _, pair := range values {
		own = setKey(own, pair[0], pair[1])
	}
	return strings.Join(append(append(before, own...), after...), "\n") + "\n"
}

func setKey(lines []string, name, value string) []string {
	text := name + " = " + value
	last := 0
	for i, line := range lines {
		if k, _, ok := key(line); ok && k == name {
			lines[i] = text
			return lines
		}
		if strings.TrimSpace(line) != "" {
			last = i
		}
	}
	return append(lines[:last+1:last+1], append([]string{text}, lines[last+1:]...)...)
}
