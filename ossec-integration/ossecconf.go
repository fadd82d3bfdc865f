package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errRefused marks what this program will not touch because it does not understand it.
var errRefused = errors.New("left as it is")

// block is the <integration> block of this program; empty filters are left out.
type block struct {
	level, ruleID, group, eventLocation string
}

// No regular expressions here: they would be compiled in each of integratord's calls, which need none.

// eachListed reports whether list is one or more values separated by commas, each of them good and not empty.
func eachListed(list string, good func(r rune) bool) bool {
	for value := range strings.SplitSeq(list, ",") {
		if value == "" || strings.ContainsFunc(value, func(r rune) bool { return !good(r) }) {
			return false
		}
	}
	return true
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func inGroupName(r rune) bool { return !strings.ContainsRune(" \t\n\v\f\r<>&|", r) }

func (b block) check() error {
	if n, err := strconv.Atoi(b.level); b.level != "" && (err != nil || n < 0 || n > 16) {
		return errors.New("--level must be 0 to 16")
	}
	if b.ruleID != "" && !eachListed(b.ruleID, isDigit) {
		return errors.New("--rule-id must be rule IDs separated by commas")
	}
	if b.group != "" && !eachListed(b.group, inGroupName) {
		return errors.New("--group must be group names separated by commas")
	}
	// Wazuh's own XML reader knows no entities.
	if strings.ContainsAny(b.eventLocation, "<>&\n\r") {
		return errors.New("--event-location must not hold < > or &")
	}
	return nil
}

func (b block) text(indent string) string {
	var out strings.Builder
	out.WriteString(indent + "<integration>\n")
	for _, line := range [][2]string{{"name", name}, {"level", b.level}, {"rule_id", b.ruleID}, {"group", b.group},
		{"event_location", b.eventLocation}, {"alert_format", "json"}} {
		if line[1] != "" {
			fmt.Fprintf(&out, "%s  <%s>%s</%s>\n", indent, line[0], line[1], line[0])
		}
	}
	out.WriteString(indent + "</integration>\n")
	return out.String()
}

const (
	openTag  = "<integration>"
	closeTag = "</integration>"
	endTag   = "</ossec_config>"
)

// hideComments replaces comments by spaces, so that what is commented out is not found and offsets stay the same.
func hideComments(text string) (string, error) {
	hidden := []byte(text)
	for at := 0; ; {
		start := strings.Index(text[at:], "<!--")
		if start < 0 {
			if strings.Contains(text[at:], "-->") {
				return "", fmt.Errorf("a comment ends that has not begun: %w", errRefused)
			}
			return string(hidden), nil
		}
		start += at
		end := strings.Index(text[start:], "-->")
		if end < 0 {
			return "", fmt.Errorf("a comment does not end: %w", errRefused)
		}
		end += start + len("-->")
		if strings.Contains(text[start+len("<!--"):end], "<!--") || strings.Contains(text[at:start], "-->") {
			return "", fmt.Errorf("comments are nested: %w", errRefused)
		}
		for i := start; i < end; i++ {
			if hidden[i] != '\n' {
				hidden[i] = ' '
			}
		}
		at = end
	}
}

type span struct{ start, end int }

// integrations finds the blocks, outside of comments.
func integrations(hidden string) ([]span, error) {
	var list []span
	for at := 0; ; {
		start := strings.Index(hidden[at:], "<integration")
		if start < 0 {
			break
		}
		start += at
		if !strings.HasPrefix(hidden[start:], openTag) {
			return nil, fmt.Errorf("an <integration> tag is not written as %s: %w", openTag, errRefused)
		}
		end := strings.Index(hidden[start:], closeTag)
		if end < 0 || strings.Contains(hidden[start+len(openTag):start+end], "<integration") {
			return nil, fmt.Errorf("an <integration> block does not end: %w", errRefused)
		}
		at = start + end + len(closeTag)
		list = append(list, span{start, at})
	}
	if strings.Count(hidden, closeTag) != len(list) || strings.Count(hidden, "<ossec_config>") != strings.Count(hidden, endTag) || !strings.Contains(hidden, endTag) {
		return nil, fmt.Errorf("its tags do not match: %w", errRefused)
	}
	return list, nil
}

// named reports whether a block has a <name> tag with the name of this program.
func named(block string) bool {
	for {
		_, rest, ok := strings.Cut(block, "<name>")
		if !ok {
			return false
		}
		value, _, ok := strings.Cut(rest, "</name>")
		if ok && strings.Trim(value, " \t\n\f\r") == name {
			return true
		}
		block = rest
	}
}

// ours returns the blocks of this program.
func ours(hidden string, list []span) []span {
	var found []span
	for _, s := range list {
		if named(hidden[s.start:s.end]) {
			found = append(found, s)
		}
	}
	return found
}

// insertBlock puts the block before every other <integration>, or at the end of the first <ossec_config>. A file that
// holds this very block stays as it is.
func insertBlock(text string, b block) (string, error) {
	hidden, err := hideComments(text)
	if err != nil {
		return "", err
	}
	list, err := integrations(hidden)
	if err != nil {
		return "", err
	}
	if found := ours(hidden, list); len(found) > 0 {
		same := len(found) == 1 && strings.Join(strings.Fields(hidden[found[0].start:found[0].end]), "") == strings.Join(strings.Fields(b.text("")), "")
		if !same {
			return "", fmt.Errorf("it holds another <integration> block of %s; run --remove first: %w", name, errRefused)
		}
		if found[0] != list[0] {
			return "", fmt.Errorf("the block of %s stands behind another one; run --remove first: %w", name, errRefused)
		}
		return text, nil
	}
	anchor := strings.Index(hidden, endTag)
	if len(list) > 0 {
		anchor = list[0].start
	}
	line := strings.LastIndexByte(text[:anchor], '\n') + 1
	if strings.TrimSpace(text[line:anchor]) != "" {
		return "", fmt.Errorf("the tag to put the block before does not begin its line: %w", errRefused)
	}
	return text[:line] + withEnds(b.text("  "), text) + text[line:], nil
}

// withEnds gives the block the line ends of the file.
func withEnds(block, text string) string {
	if strings.Contains(text, "\r\n") {
		return strings.ReplaceAll(block, "\n", "\r\n")
	}
	return block
}

// removeBlock is the inverse of insertBlock, byte for byte.
func removeBlock(text string) (string, error) {
	hidden, err := hideComments(text)
	if err != nil {
		return "", err
	}
	list, err := integrations(hidden)
	if err != nil {
		return "", err
	}
	found := ours(hidden, list)
	if len(found) == 0 {
		return text, nil
	}
	if len(found) > 1 {
		return "", fmt.Errorf("it holds several <integration> blocks of %s: %w", name, errRefused)
	}
	start, end := found[0].start, found[0].end
	line := strings.LastIndexByte(text[:start], '\n') + 1
	next := strings.IndexByte(text[end:], '\n')
	if next < 0 || strings.TrimSpace(text[line:start]) != "" || strings.TrimSpace(text[end:end+next]) != "" {
		return "", fmt.Errorf("the block does not stand on lines of its own: %w", errRefused)
	}
	return text[:line] + text[end+next+1:], nil
}
