// Command bench puts the speed of generate beside that of the tools people use
// instead, and beside what the machine allows: reading the files and doing
// nothing with them, and hashing the keys and nothing else.
//
// Every figure is the median of several runs, and the candidates take turns, so
// that a noisy minute hits all of them. Only ratios mean something elsewhere.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	files := flag.Int("files", 10_000, "certificate files to make")
	runs := flag.Int("runs", 9, "runs of each candidate")
	floor := flag.String("floor", "", "only read the files of this folder, as the floor does")
	memory := flag.String("memory", "", "only measure the memory of this program over a folder")
	flag.Parse()
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Minute)
	var err error
	switch {
	case *floor != "":
		err = printFloor(*floor)
	case *memory != "":
		err = printMemory(ctx, *memory, flag.Arg(0))
	default:
		err = run(ctx, *files, *runs)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// run makes everything in a folder of its own and removes it.
func run(ctx context.Context, files, runs int) (err error) {
	dir, err := os.MkdirTemp("", "tlsamgr-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	b := &bench{runs: runs, files: files, binary: filepath.Join(dir, "tlsamgr"), folder: filepath.Join(dir, "certificates"), tenth: filepath.Join(dir, "tenth")}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", b.binary, "github.com/tlsamgr/tlsamgr/cmd/tlsamgr")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", build, err, out)
	}
	fmt.Printf("%d files of a leaf and its issuer; half of the leaves have P-256 keys, half RSA-2048 moduli that are random numbers\n", files)
	fmt.Printf("%s, %d processors, medians of %d runs in turn\n\n", runtime.Version(), runtime.NumCPU(), runs)
	if b.keys, err = makeFiles(b.folder, files); err != nil {
		return err
	}
	if _, err = makeFiles(b.tenth, files/10); err != nil {
		return err
	}
	return b.all(ctx)
}
