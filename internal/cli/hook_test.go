package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lineage writes what an ACME client leaves behind: fullchain.pem and
// privkey.pem for some names, self-signed.
func lineage(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"fullchain.pem": {Type: "CERTIFICATE", Bytes: der}, "privkey.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// calledBy runs `tlsamgr hook` as a client does: with an environment of its own.
func calledBy(t *testing.T, config string, env map[string]string, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	e := Env{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now, Getenv: func(name string) string { return env[name] }}
	code := Run(ctx, e, append([]string{"--config", config, "hook"}, args...))
	return answer{code, out.String(), errs.String()}
}

// A hook keeps its own copy of key and chain, whatever the client does with
// the originals next, and succeeds even though the DNS cannot be reached: the
// timer goes on.
func TestHookKeepsACopy(t *testing.T) {
	config, dir := configFile(t, ""), lineage(t, "mx1.example.com")
	a := calledBy(t, config, map[string]string{"RENEWED_LINEAGE": dir})
	if a.code != codeDone || !strings.Contains(a.out, "mx1: generation ") {
		t.Fatalf("exit %d: %s%s", a.code, a.out, a.err)
	}
	if strings.Contains(a.out+a.err, "PRIVATE KEY") {
		t.Error("the key is printed")
	}
	staged := filepath.Join(filepath.Dir(config), "state", "certs", "mx1", "staged")
	for _, name := range []string{"fullchain.pem", "key.pem"} {
		if _, err := os.Stat(filepath.Join(staged, name)); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Join(staged, "key.pem")); err == nil && info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v", info.Mode())
	}
	if a := calledBy(t, config, map[string]string{"RENEWED_LINEAGE": dir}, "--exit-code", "mx1"); a.code != codeLater {
		t.Errorf("with --exit-code, while it waits: exit %d: %s%s", a.code, a.out, a.err)
	}
}

// Where the client keeps the issuers apart (lego --no-bundle), they are staged
// with the certificate: a server that sends a leaf alone breaks usage 2.
func TestHookAddsTheIssuer(t *testing.T) {
	config, dir, ca := configFile(t, ""), lineage(t, "mx1.example.com"), lineage(t, "An Authority")
	cert := filepath.Join(dir, "mx1.crt")
	for to, from := range map[string]string{cert: filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "mx1.issuer.crt"): filepath.Join(ca, "fullchain.pem")} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	a := calledBy(t, config, map[string]string{"LEGO_CERT_PATH": cert, "LEGO_CERT_KEY_PATH": filepath.Join(dir, "privkey.pem")})
	// The "issuer" of this test is a certificate without a right to issue, so
	// that it is refused by its name shows that it was read.
	if a.code != codeError || !strings.Contains(a.err, "An Authority") {
		t.Errorf("exit %d: %s%s", a.code, a.out, a.err)
	}
}

// Events that bring no certificate succeed silently: dehydrated takes what a
// hook prints for an answer.
func TestHookIsSilent(t *testing.T) {
	for _, event := range []string{"startup_hook", "generate_csr", "deploy_challenge", "exit_hook"} {
		if a := calledBy(t, configFile(t, ""), nil, "--from", "dehydrated", "--", event, "-token"); a != (answer{}) {
			t.Errorf("%s: %+v", event, a)
		}
	}
}

// What a hook refuses, with the exit code that the client shows.
func TestHookRefuses(t *testing.T) {
	config, dir, other := configFile(t, ""), lineage(t, "mx1.example.com"), lineage(t, "mx2.example.com")
	at := func(dir, name string) string { return filepath.Join(dir, name) }
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"nobody called":           {code: codeUsage, want: "hint: name the files"},
		"two clients":             {env: map[string]string{"RENEWED_LINEAGE": dir, "LEGO_CERT_PATH": "x"}, code: codeUsage, want: "one of certbot and like one of lego"},
		"key of another":          {args: []string{"--cert", at(dir, "fullchain.pem"), "--key", at(other, "privkey.pem")}, code: codeError, want: "belongs to no certificate"},
		"issued for a CSR":        {env: map[string]string{"LEGO_CERT_PATH": at(dir, "fullchain.pem"), "LEGO_CERT_KEY_PATH": at(dir, "none.key")}, code: codeError, want: "hint: a client that was given a CSR"},
		"no certificate fits":     {env: map[string]string{"RENEWED_LINEAGE": other}, code: codeUsage, want: "0 certificates of the configuration fit one for mx2.example.com"},
		"not of that certificate": {env: map[string]string{"RENEWED_LINEAGE": other}, args: []string{"--name", "mx1"}, code: codeError, want: "does not cover mx1.example.com"},
		"two names":               {env: map[string]string{"RENEWED_LINEAGE": dir}, args: []string{"mx1", "mx2"}, code: codeUsage, want: "one certificate name"},
	} {
		t.Run(name, func(t *testing.T) {
			a := calledBy(t, config, test.env, test.args...)
			if a.code != test.code || !strings.Contains(a.err, test.want) || !strings.HasPrefix(a.err, "tlsamgr: error: ") || a.out != "" {
				t.Errorf("exit %d, stdout %q, stderr %q", a.code, a.out, a.err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(config), "state", "certs", "mx1", "staged")); err == nil {
		t.Error("something was staged all the same")
	}
}
