//go:build lab

package lab

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// listing says whether the test binary was asked for the names of its tests only.
func listing() bool {
	flag.Parse()
	f := flag.Lookup("test.list")
	return f != nil && f.Value.String() != ""
}

// enterApart runs every test that was asked for in a machine of its own. What a
// test says is shown when it has ended, so that nothing runs together.
func enterApart(atOnce int) (int, error) {
	if err := able(); err != nil {
		return 0, err
	}
	names, below, err := asked()
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	worst, errs := 0, []error{}
	slots := make(chan struct{}, atOnce)
	for _, name := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var said bytes.Buffer
			// Every run would write the same log of what it read, for the cache of results.
			code, err := enterWith(&said, &said, "-test.run=^"+name+"$"+below, "-test.testlogfile=")
			mu.Lock()
			defer mu.Unlock()
			worst = max(worst, code)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
			fmt.Fprint(os.Stdout, strings.TrimSuffix(said.String(), "PASS\n"))
		})
	}
	wg.Wait()
	if worst == 0 && len(errs) == 0 {
		fmt.Println("PASS")
	}
	return worst, errors.Join(errs...)
}

// asked gives the names of the tests that -run means, and the part of -run
// that is about subtests.
func asked() (names []string, below string, err error) {
	pattern := flag.Lookup("test.run").Value.String()
	top, rest, sub := strings.Cut(pattern, "/")
	if sub {
		below = "/" + rest
	}
	if top == "" {
		top = "."
	}
	out, err := exec.Command("/proc/self/exe", "-test.list", top).Output()
	if err != nil {
		return nil, "", fmt.Errorf("list the tests: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "Test") {
			names = append(names, name)
		}
	}
	return names, below, nil
}
