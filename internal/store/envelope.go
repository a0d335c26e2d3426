package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// errContent says that a file could be read and does not hold a state.
var errContent = errors.New("not a state")

// version is the format of the files. Who changes what a document means raises
// it; files of another version are not read.
const version = 1

// envelope is what a file holds.
type envelope struct {
	Version  int             `json:"version"`
	Serial   uint64          `json:"serial"`
	SHA256   string          `json:"sha256"`
	Document json.RawMessage `json:"document"`
}

// seal puts a document into an envelope.
func seal(name string, serial uint64, doc any) (envelope, error) {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return envelope{}, err
	}
	e := envelope{Version: version, Serial: serial, Document: text}
	e.SHA256 = e.sum(name)
	return e, nil
}

// sum is the checksum over everything that matters: a file that was renamed,
// or whose serial was changed, does not pass either.
func (e envelope) sum(name string) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "tlsamgr state %d %s %d\n", e.Version, name, e.Serial)
	hash.Write(e.Document)
	return hex.EncodeToString(hash.Sum(nil))
}

// text is the one way in which an envelope is written.
func (e envelope) text() []byte {
	return fmt.Appendf(nil, "{\n\"version\": %d,\n\"serial\": %d,\n\"sha256\": %q,\n\"document\": %s\n}\n", e.Version, e.Serial, e.SHA256, e.Document)
}

// unseal reads an envelope. Because there is one way to write it, a file that
// differs from it in any octet is damaged.
func unseal(name string, text []byte) (envelope, error) {
	if len(text) == 0 {
		return envelope{}, fmt.Errorf("%w: the file is empty", errContent)
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return envelope{}, fmt.Errorf("%w: the JSON is damaged or cut off", errContent)
	}
	if e.Version != version {
		return envelope{}, fmt.Errorf("%w of this version: the format is %d, and this tlsamgr reads %d", errContent, e.Version, version)
	}
	if e.SHA256 != e.sum(name) || !bytes.Equal(text, e.text()) {
		return envelope{}, fmt.Errorf("%w: the checksum is wrong", errContent)
	}
	return e, nil
}

// open decodes the document. A field that is not known was written by a newer
// version; to drop it in silence could lose what senders believe.
func (e envelope) open(into any) error {
	d := json.NewDecoder(bytes.NewReader(e.Document))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
