package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tlsamgr/tlsamgr/internal/cli"
)

// TestMain lets scripts run this very binary as tlsamgr.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tlsamgr": func() {
		os.Exit(cli.Run(context.Background(), cli.System(), os.Args[1:]))
	}})
}

// TestScript runs the command lines of testdata/script and holds their output
// and exit codes. UPDATE=1 rewrites what is expected; look at what it rewrote.
func TestScript(t *testing.T) {
	vectors, err := filepath.Abs("../../generate/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("VECTORS", vectors)
			env.Setenv("TLSAMGR_CONFIG", filepath.Join(env.WorkDir, "tlsamgr.toml"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": code, "mkfifo": mkfifo},
	})
}

// code runs a command and holds its exit code: code 2 tlsamgr bogus. What it
// prints can be looked at as after exec.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code NUMBER COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit := (*exec.ExitError)(nil); asExit(err, &exit) {
		got = exit.String()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := "exit status " + args[0]; got != want && (args[0] != "0" || got != "0") {
		ts.Fatalf("%s, want %s", got, want)
	}
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

// mkfifo makes a FIFO.
func mkfifo(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Check(syscall.Mkfifo(ts.MkAbs(name), 0o600))
	}
}
