package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Each measurement runs in a process of its own: this program, with a hidden first argument and the
// task as the second. It writes the result to its standard output.
const (
	childArgument  = "-child"
	remoteArgument = "-remote"
)

// childLimit is the longest time of a measurement, in addition to the durations of its task.
const childLimit = 3 * time.Minute

// selfCommand returns the command of a process for a task.
func selfCommand(argument string, t task) (*exec.Cmd, error) {
	return selfCommandContext(context.Background(), argument, t)
}

func selfCommandContext(ctx context.Context, argument string, t task) (*exec.Cmd, error) {
	c, err := contestantNamed(t.Contestant)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, argument, string(text))
	command.Env = append(os.Environ(), c.environment()...)
	return command, nil
}

// measureInChild runs a task in a process of its own.
func measureInChild(t task) (metrics, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.WarmUp+t.Duration+childLimit)
	defer cancel()
	command, err := selfCommandContext(ctx, childArgument, t)
	if err != nil {
		return nil, err
	}
	command.WaitDelay = time.Second // the receiver's process may keep the pipes open after a kill
	var out, stderr bytes.Buffer
	command.Stdout, command.Stderr = &out, &stderr
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = errTimedOut
		}
		return nil, errors.Join(err, errors.New(lastLines(stderr.String(), 10)))
	}
	var m metrics
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		return nil, fmt.Errorf("result of the measurement: %w", err)
	}
	return m, nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// runAsChild runs the task of a hidden argument, and reports whether there is one.
func runAsChild(arguments []string) bool {
	if len(arguments) != 3 || (arguments[1] != childArgument && arguments[1] != remoteArgument) {
		return false
	}
	result := os.Stdout
	os.Stdout = os.Stderr // the output of libraries must not be in the result
	if err := runTask(arguments[1], arguments[2], result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func runTask(argument, text string, result *os.File) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	c, err := contestantNamed(t.Contestant)
	if err != nil {
		return err
	}
	if argument == remoteArgument {
		return runRemote(c, t, os.Stdin, result)
	}
	w := workloadOf(t.Workload)
	if w == nil {
		return fmt.Errorf("no workload is called %q", t.Workload)
	}
	m, err := w.measure(c, t)
	if err != nil {
		return err
	}
	return json.NewEncoder(result).Encode(m)
}

// profileName returns the file name of a measurement's CPU profile. A later round overwrites the file.
func profileName(directory string, t task) string {
	if directory == "" {
		return ""
	}
	name := fmt.Sprintf("%s-%s", t.Workload, t.Contestant)
	if t.Size > 0 {
		name += fmt.Sprintf("-%d", t.Size)
	}
	if t.Processes > 1 {
		name += "-sender"
	}
	return fmt.Sprintf("%s%c%s.pprof", directory, os.PathSeparator, name)
}

// remoteProfile returns the file name of the receiver's profile for that of the sender.
func remoteProfile(sender string) string {
	return strings.Replace(sender, "-sender.pprof", "-receiver.pprof", 1)
}
