package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsamgr/tlsamgr/dane"
)

// vector is one of testdata/gen and testdata/bad. What must come out was
// worked out by other tools; see the vector.json files.
type vector struct {
	ID             string
	Input          string
	Args           []string
	Recipe         string
	Expect         string
	Certs          []vectorCert
	SPKI           *vectorCert
	Leaves         []string `json:"expected_3_1_1"`
	Issuers        []string `json:"expected_2_1_1_per_issuer"`
	IfAcceptedThen string   `json:"if_accepted_then"`
	dir            string
}

type vectorCert struct {
	Role         string
	NeverPublish bool `json:"never_publish"`
	RData        map[string]string
}

func readVectors(t *testing.T, kind string) (vectors []vector) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", kind, "*", "vector.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors of %s: %v", kind, err)
	}
	for _, path := range paths {
		v := vector{dir: filepath.Dir(path)}
		if err := json.Unmarshal(readFile(t, path), &v); err != nil {
			t.Fatal(path, err)
		}
		vectors = append(vectors, v)
	}
	return vectors
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// texts gives all records of a result, in order.
func texts(result Result) (out []string) {
	for _, set := range result.Sets {
		for _, r := range set.Records {
			out = append(out, r.String())
		}
	}
	return out
}

// TestVectors makes every kind of record of every file that can be read. None
// may be refused, although the vectors would allow it for some.
func TestVectors(t *testing.T) {
	for _, v := range readVectors(t, "gen") {
		t.Run(v.ID, func(t *testing.T) {
			source, err := Read(filepath.Join(v.dir, v.Input))
			if err != nil {
				t.Fatal(err)
			}
			v.checkDefault(t, source)
			for _, sm := range []string{"1 1", "1 2", "1 0", "0 1", "0 2", "0 0"} {
				v.checkParams(t, source, "3 "+sm, "leaf")
				v.checkParams(t, source, "2 "+sm, "ca")
			}
		})
	}
}

func (v vector) checkDefault(t *testing.T, source *Source) {
	t.Helper()
	result, err := source.Records(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(v.Leaves, v.Issuers)
	if v.SPKI != nil {
		want = []string{v.SPKI.RData["3 1 1"]}
	}
	got := texts(result)
	if v.ID == "G27a" { // upside down: its issuers are listed as they lie, ours in the order of the chain
		slices.Sort(want)
		slices.Sort(got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("default records (-want +got):\n%s", diff)
	}
}

// checkParams asks for the records of one kind alone.
func (v vector) checkParams(t *testing.T, source *Source, params, role string) {
	t.Helper()
	p, err := dane.ParseParams(params)
	if err != nil {
		t.Fatal(err)
	}
	want, tooLong := v.want(params, role)
	result, err := source.Records(Options{Params: []dane.Params{p}})
	if len(want) == 0 && (p.Usage == dane.DANETA || v.SPKI != nil || tooLong) {
		if err == nil {
			t.Errorf("%s: got %q, want an error", params, texts(result))
		}
		return
	}
	got := texts(result)
	slices.Sort(got)
	if err != nil || !slices.Equal(want, got) {
		t.Errorf("%s: got %q, %v, want %q", params, got, err, want)
	}
}

// want gives the records of one kind, sorted.
func (v vector) want(params, role string) (want []string, tooLong bool) {
	certs := v.Certs
	if v.SPKI != nil && role == "leaf" {
		certs = []vectorCert{{Role: "leaf", RData: v.SPKI.RData}}
	}
	for _, c := range certs {
		text, known := c.RData[params]
		if c.Role != role || c.NeverPublish || !known {
			continue
		}
		if text == "" {
			tooLong = true
			continue
		}
		want = append(want, text)
	}
	slices.Sort(want)
	return slices.Compact(want), tooLong
}

// TestBadVectors holds that what cannot be right gives no record, and that the
// message says why without saying anything of a key.
func TestBadVectors(t *testing.T) {
	for _, v := range readVectors(t, "bad") {
		t.Run(v.ID, func(t *testing.T) {
			out, err := v.run(t)
			if v.ID == "B06b" { // a key alone announces a next key; the vector knows no such thing
				if !strings.HasPrefix(out, "3 1 1 d6c6484611d88604") || err != nil {
					t.Fatalf("got %q, %v", out, err)
				}
				return
			}
			if out != "" || err == nil {
				t.Fatalf("got %q, %v, want an error", out, err)
			}
			if len(err.Error()) > 200 || strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' }) {
				t.Errorf("message %q", err)
			}
		})
	}
}

// run does with the vector what the command does.
func (v vector) run(t *testing.T) (out string, err error) {
	t.Helper()
	batch := &Batch{Format: RData, Warn: func(string, string) {}}
	batch.Now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := 1; i < len(v.Args); i += 2 {
		if err := v.option(t, batch, v.Args[i], v.Args[i+1]); err != nil {
			return "", err
		}
	}
	var failure error
	batch.Fail = func(path string, err error) { failure = err }
	var buffer bytes.Buffer
	failed, err := batch.Run(t.Context(), &buffer, []string{v.prepare(t)})
	if (failed > 0) != (failure != nil) {
		t.Errorf("%d failures, and was told of %v", failed, failure)
	}
	return buffer.String(), errors.Join(err, failure)
}

func (v vector) option(t *testing.T, batch *Batch, name, value string) (err error) {
	t.Helper()
	params := []string{"3", "1", "1"}
	switch name {
	case "--key":
		batch.Key, err = Read(filepath.Join(v.dir, value))
		return err
	case "--host":
		batch.Hosts = []string{value}
		return nil
	case "--usage":
		params[0] = value
	case "--selector":
		params[1] = value
	default:
		t.Fatalf("option %s is not known", name)
	}
	p, err := dane.ParseParams(strings.Join(params, " "))
	batch.Params = []dane.Params{p}
	return err
}

// prepare makes what the recipe of the vector describes, and names the file.
func (v vector) prepare(t *testing.T) string {
	t.Helper()
	name := v.Args[0]
	path := filepath.Join(t.TempDir(), name)
	var err error
	switch v.Recipe {
	case "":
		return filepath.Join(v.dir, name)
	case "mkdir " + name:
		err = os.Mkdir(path, 0o700)
	case fmt.Sprintf("ln -s %s %s", name, name):
		err = os.Symlink(name, path)
	case "truncate -s 104857600 " + name:
		if err = os.WriteFile(path, nil, 0o600); err == nil {
			err = os.Truncate(path, 104857600)
		}
	default:
		t.Fatalf("recipe %q is not known", v.Recipe)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
