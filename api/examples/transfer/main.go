// Transfer sends a file from one peer to another over an encrypted data channel.
//
// Without a command it runs both peers in one process, to try the library and to measure the
// machine:
//
//	transfer [-file FILE | -size SIZE]
//
// Between two terminals or machines it is started once on each side, and the user copies one line
// in each direction for the signalling:
//
//	transfer send FILE
//	transfer receive DIR
//
// With -signal ws://host:8000/room on both sides nothing has to be copied: a signalling server,
// "signaling" in the directory next to this one, delivers the signals.
//
// As an example to read: local.go, remote.go and signal.go show the three ways to signal, peer.go
// the beginning and the end of a connection, send.go and receive.go the use of a data channel with
// back-pressure in both directions.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// The exit statuses.
const (
	statusOK     = 0
	statusFailed = 1 // the file did not arrive, or not as it was sent
	statusUsage  = 2
)

func main() {
	// The first Ctrl-C closes the connection, which notifies the other side; the second kills the
	// program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const usage = `Transfer sends a file from one peer to another over an encrypted data channel.

  transfer [flags]                between two peers in this process, as a trial
  transfer send [flags] FILE      to "transfer receive" in another terminal, or
  transfer receive [flags] DIR    on another machine: copy one line each way,
                                  or give both -signal ws://host:8000/room

Both sides print the bytes, the time, the rate in MB/s (1 MB is 1,000,000 bytes)
and the SHA-256. The exit status is 0 when the file arrived as it was sent,
1 when it did not, and 2 for a wrong command line.
`

// options are the command line.
type options struct {
	file  string
	size  int64 // of generated data; -1: a file is sent
	chunk int64
	stun  string
	// signal is the URL of a room of a signalling server; empty: the user copies the descriptions.
	signal string
	quiet  bool
	rest   []string // the arguments that are not flags
}

// run is the main function with the arguments, the streams, and the exit status as parameters and
// result.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	command, args := splitCommand(args)
	o, err := parseFlags(command, args, stdout)
	if err == nil {
		c := newConsole(stdin, stdout, o.quiet)
		switch command {
		case "send":
			err = runSend(ctx, o, c)
		case "receive":
			err = runReceive(ctx, o, c)
		default:
			err = runLocal(ctx, o, c)
		}
	}
	var wrongUsage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return statusOK
	case errors.As(err, &wrongUsage):
		fmt.Fprintf(stderr, "transfer: %v\nRun \"transfer -h\" for help.\n", err)
		return statusUsage
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "transfer: interrupted")
	default:
		fmt.Fprintf(stderr, "transfer: %v\n", err)
		if command != "" && errors.Is(err, errNoPath) {
			fmt.Fprintln(stderr, "To try again, start both sides anew; between networks, both with -stun.")
		}
	}
	return statusFailed
}

// usageError is the error for an invalid command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// splitCommand separates the command from the arguments; there is none in the local mode.
func splitCommand(args []string) (command string, rest []string) {
	if len(args) > 0 && isCommand(args[0]) {
		return args[0], args[1:]
	}
	return "", args
}

func isCommand(arg string) bool { return arg == "send" || arg == "receive" }

// flagsOf returns the flags of a command, which set o.
func flagsOf(command string, o *options) *flag.FlagSet {
	flags := flag.NewFlagSet("transfer", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.quiet, "quiet", false, "show no progress")
	if command != "receive" {
		flags.Func("chunk", "the `size` of the messages that the file is sent in, 1 to 256KiB (default 64KiB)", sizeFlag(&o.chunk))
	}
	if command == "" {
		flags.StringVar(&o.file, "file", "", "the `file` to send (default this program itself)")
		flags.Func("size", "send generated data of this `size` instead: 1GiB, 64MiB, 500k, …", sizeFlag(&o.size))
	} else {
		flags.StringVar(&o.signal, "signal", "", "a signalling server's `URL` with the name of a room, the same on both sides;\n"+
			"go run ./api/examples/signaling is one")
		flags.StringVar(&o.stun, "stun", "", "a STUN server's `URL`, stun:host:port, which is asked for the address that\n"+
			"this machine has on the Internet; needed when both sides are behind NATs")
	}
	return flags
}

// printHelp prints the usage and the flags of a command; without a command, those of all.
func printHelp(out io.Writer, command string) {
	fmt.Fprint(out, usage)
	commands := []string{command}
	if command == "" {
		commands = append(commands, "send", "receive")
	}
	for _, command := range commands {
		fmt.Fprintf(out, "\nFlags of \"%s\":\n", strings.TrimSpace("transfer "+command))
		flags := flagsOf(command, new(options))
		flags.SetOutput(out)
		flags.PrintDefaults()
	}
}

// parseFlags parses the arguments of a command. For help, it prints to out and returns
// flag.ErrHelp.
func parseFlags(command string, args []string, out io.Writer) (options, error) {
	o := options{size: -1, chunk: defaultChunk}
	flags := flagsOf(command, &o)
	for { // Flags may also follow FILE and DIR.
		switch err := flags.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			printHelp(out, command)
			return o, err
		case err != nil:
			hint := ""
			if i := slices.IndexFunc(args, isCommand); command == "" && i >= 0 {
				hint = fmt.Sprintf("; the flags of %[1]s come after it: transfer %[1]s [flags]", args[i])
			}
			return o, usageError(err.Error() + hint)
		}
		if flags.NArg() == 0 {
			break
		}
		o.rest = append(o.rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
	return o, o.check(command)
}

func sizeFlag(size *int64) func(string) error {
	return func(s string) (err error) {
		*size, err = parseSize(s)
		return err
	}
}

// check checks the combination of flags and arguments.
func (o *options) check(command string) error {
	switch {
	case o.chunk < 1 || o.chunk > maxChunk:
		return usageError(fmt.Sprintf("-chunk %d: it must be 1 to %d", o.chunk, maxChunk))
	case command == "" && len(o.rest) > 0:
		return usageError(fmt.Sprintf("unknown command %q: there are send and receive", o.rest[0]))
	case command == "" && o.file != "" && o.size >= 0:
		return usageError("-file and -size exclude each other")
	case command == "send" && len(o.rest) != 1:
		return usageError("send needs one FILE, not " + describeList(o.rest))
	case command == "receive" && len(o.rest) != 1:
		return usageError("receive needs one DIR, not " + describeList(o.rest))
	}
	return nil
}

func describeList(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
