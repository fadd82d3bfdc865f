package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"wazuh-security-lake/config"
)

// class is the class of a source: the one that somebody has chosen in the configuration, else --class, else, on a
// terminal, the answer to a question. The default of the configuration does not count: a source never changes its class,
// so that nobody gets one without knowing.
func (j *setupJob) class(path string, s config.Source, last bool) (string, error) {
	chosen := j.loaded.Origins[path+".class"].Kind != config.FromDefault && j.loaded.Origins[path+".class"].Kind != ""
	if chosen {
		if j.flags.class != "" && len(j.request.Sources) == 0 && len(j.loaded.Config.Sources) == 1 && j.flags.class != s.Class {
			return "", fail(exitUsage, "change it there, or leave --class out", fmt.Errorf("--class %s: the configuration says %s for source %s", j.flags.class, s.Class, s.Name))
		}
		return s.Class, nil
	}
	class := j.flags.class
	if class == "" {
		var err error
		if class, err = j.ask(s.Name); err != nil {
			return "", err
		}
	}
	if last && (class == config.VulnerabilityFinding || class == config.ComplianceFinding) {
		return "", fail(exitUsage, "security_finding or detection_finding", fmt.Errorf("source %s takes every alert the others leave, which %s cannot", s.Name, class))
	}
	return class, nil
}

func (j *setupJob) ask(source string) (string, error) {
	unclear := fail(exitUsage, "--class detection_finding for a new lake, --class security_finding for queries written for Wazuh's existing integration",
		fmt.Errorf("no class was chosen for source %s, and a source never changes it", source))
	in, ok := j.g.std.in.(*os.File)
	if !ok || !isTerminal(in) {
		return "", unclear
	}
	choices := []string{config.DetectionFinding, config.SecurityFinding}
	fmt.Fprintf(j.g.std.err, "Class of source %s (it never changes):\n  1  %s: the full mapping, for a new lake\n  2  %s: the columns of Wazuh's existing integration; deprecated in OCSF\nWhich? ", source, choices[0], choices[1])
	line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	answer := strings.TrimSpace(line)
	switch {
	case answer == "1", answer == "2":
		return choices[answer[0]-'1'], nil
	case slices.Contains(choices, answer):
		return answer, nil
	}
	return "", unclear
}
