package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ours runs tlsamgr. What it prints goes nowhere: a reader would take a part of
// the processors.
func (b *bench) ours(ctx context.Context, args ...string) (sample, error) {
	cmd := exec.CommandContext(ctx, b.binary, append([]string{"generate"}, args...)...)
	start := time.Now()
	err := cmd.Run()
	return sample{took: time.Since(start)}, err
}

// proveOurs holds that tlsamgr prints as many records as it should.
func (b *bench) proveOurs(ctx context.Context, lines int, args ...string) error {
	cmd := exec.CommandContext(ctx, b.binary, append([]string{"generate"}, args...)...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil || words.Len() > 0 {
		return fmt.Errorf("%s: %w: %s", cmd, err, words.String())
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != lines {
		return fmt.Errorf("%s: %d lines, want %d", cmd, n, lines)
	}
	return nil
}

// memory gives the most memory that a run of tlsamgr takes, in bytes. The
// kernel counts that of the process that starts it, too, so that a small one
// has to do it.
func (b *bench) memory(ctx context.Context, folder string) (int64, error) {
	out, err := exec.CommandContext(ctx, b.self, "-memory", b.binary, folder).Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}

func printMemory(ctx context.Context, binary, folder string) error {
	cmd := exec.CommandContext(ctx, binary, "generate", "-r", folder)
	if err := cmd.Run(); err != nil {
		return err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return fmt.Errorf("%s: memory use is not known", cmd)
	}
	_, err := fmt.Println(usage.Maxrss << 10)
	return err
}

// floor runs this program as the read-only floor.
func (b *bench) floor(ctx context.Context) (sample, error) {
	out, err := exec.CommandContext(ctx, b.self, "-floor", b.folder).Output()
	if err != nil {
		return sample{}, err
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return sample{took: time.Duration(ns)}, err
}

func (b *bench) hash() (sample, error) { return sample{took: hashAll(b.keys)}, nil }

// loop does something with the first n files, two at a time, as `xargs -P2` would.
func (b *bench) loop(ctx context.Context, n int, one func(ctx context.Context, path string) error) (sample, error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	errs := make([]error, 2)
	start := time.Now()
	for w := range errs {
		wait.Go(func() {
			for i := int(next.Add(1) - 1); i < n && errs[w] == nil; i = int(next.Add(1) - 1) {
				errs[w] = one(ctx, nameOf(b.folder, i))
			}
		})
	}
	wait.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return sample{}, err
		}
	}
	return sample{took: took}, nil
}

func danetool(ctx context.Context, path string) error {
	return pipeline(ctx, []string{"danetool", "--tlsa-rr", "--host", "mx.example.com", "--load-certificate", path})
}

func openssl(ctx context.Context, path string) error {
	return pipeline(ctx, []string{"openssl", "x509", "-in", path, "-noout", "-pubkey"},
		[]string{"openssl", "pkey", "-pubin", "-outform", "DER"}, []string{"openssl", "dgst", "-sha256", "-binary"})
}

// pipeline runs commands that feed each other, as a shell would.
func pipeline(ctx context.Context, commands ...[]string) (err error) {
	var in io.ReadCloser
	var started []*exec.Cmd
	for i, argv := range commands {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		if in != nil {
			cmd.Stdin = in
		}
		var r, w *os.File
		if i+1 < len(commands) {
			if r, w, err = os.Pipe(); err != nil {
				return err
			}
			cmd.Stdout = w
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		started = append(started, cmd)
		if in != nil {
			_ = in.Close() // the child has its own
		}
		if w != nil {
			_ = w.Close()
			in = r
		}
	}
	for _, cmd := range started {
		if e := cmd.Wait(); e != nil && err == nil {
			err = fmt.Errorf("%s: %w", cmd, e)
		}
	}
	return err
}
