package install

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// The modes of what is written. Folders can be passed through by everybody:
// a mail server that runs as a user of its own must get at its files.
const (
	dirMode   fs.FileMode = 0o711
	groupDir  fs.FileMode = 0o751
	certMode  fs.FileMode = 0o644
	keyMode   fs.FileMode = 0o600
	groupMode fs.FileMode = 0o640 // a key, when a group may read it
)

// file is one file of a generation.
type file struct {
	name   string
	data   []byte
	secret bool // it holds a private key
}

// layout gives the files of a generation. With one key algorithm they are
// key.pem, cert.pem, chain.pem and fullchain.pem; with several each has the
// algorithm in its name. combined.pem holds everything in the order that
// Postfix wants for smtpd_tls_chain_files: each key, then its certificates.
func layout(bundles []bundle) []file {
	var files []file
	var combined []byte
	for _, b := range bundles {
		suffix := ".pem"
		if len(bundles) > 1 {
			suffix = "-" + b.chain.Algorithm() + ".pem"
		}
		ders := b.chain.Certificates()
		key, full := pem.EncodeToMemory(b.key.block), encodeCertificates(ders)
		files = append(files,
			file{name: "key" + suffix, data: key, secret: true},
			file{name: "cert" + suffix, data: encodeCertificates(ders[:1])},
			file{name: "chain" + suffix, data: encodeCertificates(ders[1:])},
			file{name: "fullchain" + suffix, data: full})
		combined = append(append(combined, key...), full...)
	}
	return append(files, file{name: "combined.pem", data: combined, secret: true})
}

// rank orders key algorithms: servers that take the first key that fits offer
// the small signatures first.
func rank(algorithm string) int {
	order := []string{"ed25519", "ecdsa", "rsa"}
	if i := slices.Index(order, algorithm); i >= 0 {
		return i
	}
	return len(order)
}

// sortBundles puts bundles into the order of combined.pem. Two of one
// algorithm are an error: a server can present only one of them.
func sortBundles(bundles []bundle) error {
	slices.SortFunc(bundles, func(a, b bundle) int {
		x, y := a.chain.Algorithm(), b.chain.Algorithm()
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x, y))
	})
	for i := 1; i < len(bundles); i++ {
		if name := bundles[i].chain.Algorithm(); name == bundles[i-1].chain.Algorithm() {
			return fmt.Errorf("two certificates with a key of the same algorithm (%s): a server presents one of each", name)
		}
	}
	return nil
}

// readLayout reads a generation's folder back: the pairs that it holds.
func readLayout(dir *os.Root) ([]bundle, error) {
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	var bundles []bundle
	for _, name := range names {
		suffix, ok := strings.CutPrefix(name, "fullchain")
		if !ok {
			continue
		}
		chain, err := readFile(dir, name)
		if err != nil {
			return nil, err
		}
		key, err := readFile(dir, "key"+suffix)
		if err != nil {
			return nil, err
		}
		b, err := newBundle(Pair{Name: name, KeyName: "key" + suffix, Chain: chain, Key: key})
		if err != nil {
			return nil, err
		}
		bundles = append(bundles, b)
	}
	if len(bundles) == 0 {
		return nil, errors.New("fullchain.pem is missing")
	}
	return bundles, sortBundles(bundles)
}

// verify holds every file of a folder against what it must contain.
func verify(dir *os.Root, files []file) error {
	for _, f := range files {
		data, err := readFile(dir, f.name)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, f.data) {
			return fmt.Errorf("%s does not hold what belongs in it", f.name)
		}
	}
	return nil
}

// writeFile writes one file under a temporary name, onto the disk, and then
// gives it its name: there is never a half-written one.
func writeFile(dir *os.Root, f file, o owner) (err error) {
	temporary := "." + f.name + ".new"
	if err := dir.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(dir.Remove(temporary)))
		}
	}()
	out, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, keyMode)
	if err != nil {
		return err
	}
	_, err = out.Write(f.data)
	err = errors.Join(err, o.file(out, f.secret), out.Sync(), out.Close())
	if err != nil {
		return err
	}
	return dir.Rename(temporary, f.name)
}

// readFile reads one file of bounded size.
func readFile(dir *os.Root, name string) ([]byte, error) {
	in, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPEM*maxBlocks {
		return nil, fmt.Errorf("%s is not a file of certificates", name)
	}
	data := make([]byte, info.Size())
	if _, err := in.ReadAt(data, 0); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// readNames lists a folder, sorted.
func readNames(dir *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// syncFolder makes the names in a folder last through a power failure.
func syncFolder(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
