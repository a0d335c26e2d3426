package zonefile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsamgr/tlsamgr/dane"
)

// FuzzEdit holds that an edit changes what it names and not another byte.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(nasty), uint8(3))
	f.Add([]byte("@ 60 SOA ns h 1 2 3 4 5"), uint8(1))
	f.Add([]byte("@ 60 SOA ns h (\r\n 4294967295 2 3 4 5 )\r\n"+Begin+"\r\na. 1 IN TLSA 3 1 1 00\r\n"+End), uint8(2))
	glued := regexp.MustCompile(`[^\s()][()]+[^\s()]`) // two words for the scanner, one for the parser
	f.Fuzz(func(t *testing.T, text []byte, choice uint8) {
		file, err := Parse("zone", zone, text)
		if err != nil {
			return
		}
		next := NextSerial(file.Serial(), time.Unix(1795392000, 0))
		edit := Edit{Serial: &next}
		for i := range int(choice % 4) {
			edit.Add = append(edit.Add, Line{fmt.Sprintf("_%d._tcp.fuzz.%s", i, zone), 60, dane.NewRecord(dane.Params{}, []byte{byte(i)})})
		}
		if choice&4 != 0 {
			for _, l := range file.lines {
				edit.Remove = append(edit.Remove, l.Line)
			}
		}
		out := file.Edit(edit)
		edited, err := Parse("zone", zone, out)
		if err != nil {
			t.Fatalf("the edited text is refused: %v\n%q\n%q", err, text, out)
		}
		if edited.Serial() != next {
			t.Fatalf("serial %d, want %d", edited.Serial(), next)
		}
		sameElsewhere(t, text, out)
		before, err := Load("/zone", zone, only(text))
		if _, whole := Load("/zone", zone, only(slices.Concat(text, []byte("\n@ 60 TXT x\n")))); err != nil || whole != nil || glued.Match(text) {
			return // no zone, or one that ends in the middle of a record
		}
		after, err := Load("/zone", zone, only(out))
		if err != nil {
			t.Fatalf("the edited text does not parse: %v\n%q\n%q", err, text, out)
		}
		// A record may lean on the one before it; that is for Differs to find.
		if err := after.Differs(before, edit); err != nil && !leaning(file) {
			t.Fatalf("%v\n%q\n%q", err, text, out)
		}
	})
}

// sameElsewhere compares two texts without what may change: what lies between
// the marks, and the serial, which is found here by what stands around it.
func sameElsewhere(t *testing.T, before, after []byte) {
	t.Helper()
	outside := func(text []byte) string {
		var b strings.Builder
		inside := false
		for line := range strings.Lines(string(text)) {
			mark, isMark := "", false
			if comment := strings.TrimSpace(line); strings.HasPrefix(comment, ";") {
				mark, isMark = markOf(comment)
			}
			if isMark && mark == End {
				inside = false
			}
			if !inside && !isMark {
				b.WriteString(line)
			}
			if isMark && mark == Begin {
				inside = true
			}
		}
		return strings.TrimRight(b.String(), "\r\n")
	}
	a, b := outside(before), outside(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	if rest := a[head:len(a)-tail] + b[head:len(b)-tail]; strings.Trim(rest, "0123456789") != "" {
		t.Fatalf("other bytes changed: %q\n%q\n%q", rest, before, after)
	}
}

// leaning says whether a text has marks, behind which a record may take its
// owner or TTL from the one before.
func leaning(f *File) bool { return f.Marked() && f.block.to < len(f.text) }

func FuzzParse(f *testing.F) {
	f.Add([]byte(nasty))
	f.Fuzz(func(t *testing.T, text []byte) {
		if file, err := Parse("zone", zone, text); err == nil && string(file.Edit(Edit{})) != string(text) {
			t.Error("an edit of nothing changed something")
		}
		if file, err := ParseIncluded("own", text); err == nil && string(file.Edit(Edit{})) != string(text) {
			t.Error("an edit of nothing changed something")
		}
	})
}
