// Package hook finds out which ACME client called `tlsamgr hook`, and what it
// hands over. Every client tells its hook in its own way, by environment
// variables or arguments; the files behind the paths are not looked at here,
// but for whether they exist.
package hook

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Client is an ACME client whose hooks are known.
type Client string

// The clients.
const (
	Certbot    Client = "certbot"
	Lego       Client = "lego" // version 4 and 5
	AcmeSh     Client = "acme.sh"
	Dehydrated Client = "dehydrated"
)

// Clients gives the names of all clients, for --from.
func Clients() []string {
	return []string{string(Certbot), string(Lego), string(AcmeSh), string(Dehydrated)}
}

// ErrNobody says that nothing in the call points to a client.
var ErrNobody = errors.New("no ACME client called this hook, as far as its arguments and environment tell")

// Handover is what a client says to its hook.
type Handover struct {
	Client Client
	Cert   string   // file with the certificate and, as a rule, its issuers; empty: this event brings none
	Issuer string   // file with the issuers where they are apart from Cert; empty: there is none
	Key    string   // file with the private key; with a CSR of somebody else's it does not exist
	Next   string   // file with the key that the client has made for its next certificate; empty: it makes none
	Names  []string // of the certificate, as far as the client tells them
	Args   []string // the arguments that are not the client's
}

// Empty says whether the event brings no certificate: the client only tells
// how far it has come.
func (h Handover) Empty() bool { return h.Cert == "" }

// Detect reads the call of a hook. from names the client (one of Clients) when
// it is known; with "" the environment and the arguments must tell it. It
// returns ErrNobody when they do not, and another error when they point to two
// clients at once or lack what the client always gives.
func Detect(from string, args []string, getenv func(string) string) (Handover, error) {
	c := call{args: args, getenv: getenv}
	readers := []struct {
		client Client
		signed bool
		read   func() (Handover, error)
	}{
		{Certbot, getenv("RENEWED_LINEAGE") != "", c.certbot},
		{Lego, getenv("LEGO_HOOK_CERT_PATH") != "" || getenv("LEGO_CERT_PATH") != "", c.lego},
		{AcmeSh, getenv("CERT_FULLCHAIN_PATH") != "" && getenv("CERT_KEY_PATH") != "", c.acmeSh},
		{Dehydrated, c.dehydratedEvent(), c.dehydrated},
	}
	if from != "" {
		for _, r := range readers {
			if string(r.client) == from {
				return r.read()
			}
		}
		return Handover{}, fmt.Errorf("unknown client %q; known are %s", from, strings.Join(Clients(), ", "))
	}
	var found []Client
	var read func() (Handover, error)
	for _, r := range readers {
		if r.signed {
			found, read = append(found, r.client), r.read
		}
	}
	switch len(found) {
	case 0:
		return Handover{}, ErrNobody
	case 1:
		return read()
	}
	return Handover{}, fmt.Errorf("the call looks like one of %s and like one of %s", found[0], found[1])
}

// call is what a process was started with.
type call struct {
	args   []string
	getenv func(string) string
}

// certbot runs deploy hooks with the folder of the lineage.
func (c call) certbot() (Handover, error) {
	lineage, err := c.path("RENEWED_LINEAGE")
	if err != nil {
		return Handover{}, err
	}
	return Handover{
		Client: Certbot,
		Cert:   filepath.Join(lineage, "fullchain.pem"),
		Key:    filepath.Join(lineage, "privkey.pem"),
		Names:  strings.Fields(c.getenv("RENEWED_DOMAINS")),
		Args:   c.args,
	}, nil
}

// lego names its variables anew in version 5. Version 4.9 does not tell where
// the issuers are; they lie beside the certificate.
func (c call) lego() (Handover, error) {
	prefix, names := "LEGO_HOOK_", "LEGO_HOOK_CERT_DOMAINS"
	if c.getenv("LEGO_HOOK_CERT_PATH") == "" {
		prefix, names = "LEGO_", "LEGO_CERT_DOMAIN"
	}
	cert, err := c.path(prefix + "CERT_PATH")
	if err != nil {
		return Handover{}, err
	}
	key, err := c.path(prefix + "CERT_KEY_PATH")
	if err != nil {
		return Handover{}, err
	}
	issuer := c.getenv(prefix + "ISSUER_CERT_PATH")
	if issuer == "" {
		issuer = strings.TrimSuffix(cert, filepath.Ext(cert)) + ".issuer" + filepath.Ext(cert)
	}
	split := func(r rune) bool { return r == ',' || r == ' ' }
	return Handover{Client: Lego, Cert: cert, Issuer: existing(issuer), Key: key, Names: strings.FieldsFunc(c.getenv(names), split), Args: c.args}, nil
}

// acmeSh runs its reload command with the paths in its own folder. With
// --always-force-new-domain-key it keeps the next key beside the present one.
func (c call) acmeSh() (Handover, error) {
	cert, err := c.path("CERT_FULLCHAIN_PATH")
	if err != nil {
		return Handover{}, err
	}
	key, err := c.path("CERT_KEY_PATH")
	if err != nil {
		return Handover{}, err
	}
	return Handover{Client: AcmeSh, Cert: cert, Key: key, Next: existing(key + ".next"), Names: strings.Fields(c.getenv("Le_Domain")), Args: c.args}, nil
}

// dehydratedEvent says whether the first argument is an event of dehydrated.
// It makes up one that no hook can know, to find hooks that choke on it.
func (c call) dehydratedEvent() bool {
	known := []string{"deploy_cert", "unchanged_cert", "sync_cert", "deploy_ocsp", "deploy_challenge", "clean_challenge",
		"invalid_challenge", "request_failure", "generate_csr", "startup_hook", "exit_hook"}
	return len(c.args) > 0 && (slices.Contains(known, c.args[0]) || strings.HasPrefix(c.args[0], "this_hookscript_is_broken"))
}

// dehydrated calls its one hook with every event: EVENT DOMAIN KEY CERT
// FULLCHAIN CHAIN [TIMESTAMP]. With PRIVATE_KEY_ROLLOVER="yes" the next key
// lies beside the present one. Whatever is printed for an event other than
// these could be taken for an answer, so all others are passed over.
func (c call) dehydrated() (Handover, error) {
	h := Handover{Client: Dehydrated}
	if len(c.args) == 0 || c.args[0] != "deploy_cert" && c.args[0] != "unchanged_cert" {
		return h, nil
	}
	if len(c.args) < 6 {
		return h, fmt.Errorf("dehydrated gives %s at least 5 arguments (DOMAIN KEY CERT FULLCHAIN CHAIN), here are %d", c.args[0], len(c.args)-1)
	}
	key, keyErr := filepath.Abs(c.args[2])
	cert, certErr := filepath.Abs(c.args[4])
	h.Names, h.Next = []string{c.args[1]}, existing(filepath.Join(filepath.Dir(key), "privkey.roll.pem"))
	if c.args[0] == "deploy_cert" {
		// What has not changed was handed over when it was new. Handing it over
		// again would bring back what a person has aborted.
		h.Key, h.Cert = key, cert
	}
	return h, errors.Join(keyErr, certErr)
}

// path gives the absolute path in an environment variable. lego runs hooks in
// the folder that it was started in, and may give paths below it.
func (c call) path(name string) (string, error) {
	path := c.getenv(name)
	if path == "" {
		return "", fmt.Errorf("the environment variable %s is not set", name)
	}
	return filepath.Abs(path)
}

// existing gives a path if there is a file.
func existing(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}
