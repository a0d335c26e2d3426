package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// bench measures.
type bench struct {
	runs   int
	files  int
	self   string // path of this program
	binary string // path of tlsamgr
	folder string // of the certificate files
	tenth  string // of a tenth as many
	keys   [][]byte
}

// sample is one run.
type sample struct{ took time.Duration }

// candidate is something to be measured.
type candidate struct {
	name    string
	files   int // certificates in one run
	run     func(context.Context) (sample, error)
	samples []sample
}

func (c *candidate) median() sample {
	slices.SortFunc(c.samples, func(a, b sample) int { return int(a.took - b.took) })
	return c.samples[len(c.samples)/2]
}

// rate is in certificates a second.
func (c *candidate) rate() float64 { return float64(c.files) / c.median().took.Seconds() }

// interleave runs the candidates in turn, each a number of times, after one
// round that does not count.
func interleave(ctx context.Context, runs int, candidates ...*candidate) error {
	for round := range runs + 1 {
		for _, c := range candidates {
			s, err := c.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				c.samples = append(c.samples, s)
			}
		}
	}
	return nil
}

// peerFiles is how many files a loop of processes gets: enough, at 40 a second.
const peerFiles = 100

func (b *bench) all(ctx context.Context) error {
	if err := b.folders(ctx); err != nil {
		return err
	}
	if err := b.memories(ctx); err != nil {
		return err
	}
	return b.starts(ctx)
}

// memories measures the memory for few and for many files.
func (b *bench) memories(ctx context.Context) error {
	few, err := b.memory(ctx, b.tenth)
	if err != nil {
		return err
	}
	many, err := b.memory(ctx, b.folder)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-50s %11.1f MB\n%-50s %11.1f MB\n", "memory, a tenth of the files", float64(few)/1e6, "memory, all files", float64(many)/1e6)
	return nil
}

// folders measures whole folders.
func (b *bench) folders(ctx context.Context) error {
	if err := b.proveOurs(ctx, 2*b.files, "-r", b.folder); err != nil {
		return err
	}
	leaves := &candidate{name: "tlsamgr generate -r, 3 1 1", files: b.files, run: func(ctx context.Context) (sample, error) {
		return b.ours(ctx, "-r", "--record", "311", b.folder)
	}}
	both := &candidate{name: "tlsamgr generate -r, 3 1 1 and 2 1 1", files: b.files, run: func(ctx context.Context) (sample, error) {
		return b.ours(ctx, "-r", b.folder)
	}}
	floor := &candidate{name: "read-only floor: getdents, openat, read, close", files: b.files, run: b.floor}
	hash := &candidate{name: "SHA-256 floor: keys in memory", files: b.files, run: func(context.Context) (sample, error) { return b.hash() }}
	n := min(b.files, peerFiles)
	peers := []*candidate{
		b.peer("danetool, two at a time", "danetool", n, danetool),
		b.peer("openssl x509 | pkey | dgst, two at a time", "openssl", n, openssl),
	}
	all := []*candidate{floor, leaves, both, hash}
	for _, p := range peers {
		if p != nil {
			all = append(all, p)
		}
	}
	if err := interleave(ctx, b.runs, all...); err != nil {
		return err
	}
	fmt.Printf("%-50s %14s %10s\n", "", "certificates/s", "ms")
	for _, c := range all {
		fmt.Printf("%-50s %14.0f %10.1f\n", c.name, c.rate(), c.median().took.Seconds()*1000)
	}
	fmt.Println()
	ratio("of the read-only floor", leaves.rate()/floor.rate(), "at least 0.35")
	ratio("2 1 1 beside 3 1 1: time", both.median().took.Seconds()/leaves.median().took.Seconds(), "at most 1.1")
	for i, goal := range []string{"at least 200", "at least 2000"} {
		if peers[i] != nil {
			ratio("times "+peers[i].name, leaves.rate()/peers[i].rate(), goal)
		}
	}
	return nil
}

// peer makes a candidate of another tool, nil where it is not installed.
func (b *bench) peer(name, program string, n int, one func(context.Context, string) error) *candidate {
	if _, err := exec.LookPath(program); err != nil {
		fmt.Printf("%s is not installed: left out\n", program)
		return nil
	}
	return &candidate{name: name, files: n, run: func(ctx context.Context) (sample, error) { return b.loop(ctx, n, one) }}
}

// starts measures one certificate in one process.
func (b *bench) starts(ctx context.Context) error {
	const once = 5 // more of these short runs, to see through the noise
	path := nameOf(b.folder, 0)
	own := &candidate{name: "tlsamgr", run: func(ctx context.Context) (sample, error) { return b.ours(ctx, path) }}
	all := []*candidate{own}
	if _, err := exec.LookPath("danetool"); err == nil {
		all = append(all, &candidate{name: "danetool", run: func(ctx context.Context) (sample, error) {
			start := time.Now()
			err := danetool(ctx, path)
			return sample{took: time.Since(start)}, err
		}})
	}
	if err := interleave(ctx, once*b.runs, all...); err != nil {
		return err
	}
	fmt.Println()
	for _, c := range all {
		fmt.Printf("%-50s %14s %10.2f\n", c.name+", one certificate, process and all", "", c.median().took.Seconds()*1000)
	}
	if len(all) == 2 {
		fmt.Println()
		ratio("start: of danetool's time", own.median().took.Seconds()/all[1].median().took.Seconds(), "at most 1")
	}
	return nil
}

func ratio(name string, value float64, goal string) {
	fmt.Printf("%-50s %14.2f   goal: %s\n", name, value, goal)
}
