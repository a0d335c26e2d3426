package generate

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readBlocks gives "LABEL=content" of every object.
func readBlocks(text string) (found []string, err error) {
	for r := newPEMReader([]byte(text)); ; {
		b, ok, err := r.next()
		if !ok || err != nil {
			return found, err
		}
		content, err := b.decode(nil)
		if err != nil {
			return found, err
		}
		found = append(found, string(b.label)+"="+string(content))
	}
}

func TestPEM(t *testing.T) {
	body := base64.StdEncoding.EncodeToString([]byte("hello, world")) // aGVsbG8sIHdvcmxk
	begin, end := "-----BEGIN A-----\n", "-----END A-----\n"
	good := func(name, text string, want ...string) {
		t.Helper()
		got, err := readBlocks(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	bad := func(name, text, want string) {
		t.Helper()
		if got, err := readBlocks(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v, want an error with %q", name, got, err, want)
		}
	}
	const a = "A=hello, world"
	good("plain", begin+body+"\n"+end, a)
	good("two", begin+body+"\n"+end+begin+body+"\n"+end, a, a)
	good("no final newline", begin+body+"\n-----END A-----", a)
	good("CRLF", strings.ReplaceAll(begin+body+"\n"+end, "\n", "\r\n"), a)
	good("blanks at the ends", "-----BEGIN A----- \t\n"+body+"  \n-----END A-----  \n", a)
	good("blanks within", begin+body[:3]+" "+body[3:7]+"\n\n"+body[7:]+"\n"+end, a)
	good("odd lines", begin+body[:1]+"\n"+body[1:6]+"\n"+body[6:]+"\n"+end, a)
	good("padding in a line of its own", begin+"aGVsbG8\n=\n"+end, "A=hello")
	good("text around", "subject=/CN=x\n--\n-----\n"+begin+body+"\n"+end+"the end\n", a)
	good("byte order mark", "\ufeff"+begin+body+"\n"+end, a)
	good("hyphen in the label", "-----BEGIN X-Y 9-----\n"+body+"\n-----END X-Y 9-----\n", "X-Y 9=hello, world")
	good("nothing", "only\ntext\n")

	bad("no end", begin+body+"\n", "without an END")
	bad("end in the line", begin+body+end, "of its own")
	bad("second begin", begin+begin+body+"\n"+end, "a second BEGIN")
	bad("other label", begin+body+"\n-----END B-----\n", "does not fit")
	bad("longer label", begin+body+"\n-----END AA-----\n", "does not fit")
	bad("four hyphens at the end", begin+body+"\n-----END A----\n", "does not fit")
	bad("four hyphens before END", begin+body+"\n----END A-----\n", "of its own")
	bad("four hyphens after BEGIN", "-----BEGIN A----\n"+body+"\n"+end, "broken BEGIN")
	bad("four hyphens before BEGIN", "----BEGIN A-----\n"+body+"\n"+end, "line 1: damaged PEM")
	bad("begin not at the start of a line", "x "+begin+body+"\n"+end, "text before")
	bad("indented", " "+begin+body+"\n"+end, "text before")
	bad("end alone", "text\n"+end, "line 2")
	bad("end alone after one", begin+body+"\n"+end+"x\n"+end, "line 5")
	bad("no label", "-----BEGIN -----\n"+body+"\n-----END -----\n", "broken BEGIN")
	bad("label that cannot be printed", "-----BEGIN \x1b-----\n"+body+"\n-----END \x1b-----\n", "broken BEGIN")
	bad("lone CR as line end", strings.ReplaceAll(begin+body+"\n"+end, "\n", "\r"), "broken BEGIN")
	bad("headers", begin+"X: y\n\n"+body+"\n"+end, "headers")
	bad("a character lost", begin+body[1:]+"\n"+end, "damaged base64")
	bad("a character changed", begin+"!"+body[1:]+"\n"+end, "damaged base64")
	bad("padding in the middle", begin+"aGVsbG8=\n"+body+"\n"+end, "damaged base64")
	bad("empty", begin+end, "is empty")
	bad("blank", begin+" \n\n"+end, "is empty")
}

// FuzzPEM holds that what is accepted is what encoding/pem reads, object by
// object, and that what encoding/pem writes is accepted.
func FuzzPEM(f *testing.F) {
	for _, text := range []string{ // short ones: the fuzzer takes its time with long ones
		"-----BEGIN A-----\naGVsbG8=\n-----END A-----",
		"x\n-----BEGIN A-----\r\naGVs\r\nbG8=\r\n-----END A-----\r\n-----BEGIN B-----\naGV sbG8=\n\n-----END B----- \n--\n",
		"-----BEGIN A-----\nX: y\n\naGVsbG8=\n-----END A-----\n",
		"-----BEGIN A-----\n-----BEGIN A-----\naGVs\nbG8=\n-----END A-----\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readBlocks(string(data))
		if err == nil && !bytes.ContainsAny(data, "\v\f") { // which encoding/pem does not take for blanks
			if diff := cmp.Diff(standardBlocks(data), got); diff != "" {
				t.Errorf("(-encoding/pem +ours):\n%s", diff)
			}
		}
		if len(data) == 0 {
			return
		}
		got, err = readBlocks(string(encodePEM("CERTIFICATE", data)))
		if err != nil || len(got) != 1 || got[0] != "CERTIFICATE="+string(data) {
			t.Errorf("what encoding/pem wrote: %q, %v", got, err)
		}
	})
}

func standardBlocks(data []byte) (found []string) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = append(bytes.TrimRight(data, "\r"), '\n') // it wants a proper end of the last line
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return found
		}
		found = append(found, b.Type+"="+string(b.Bytes))
	}
}
