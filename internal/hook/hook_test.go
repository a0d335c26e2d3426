package hook

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These are the environments and arguments that the clients really gave their
// hooks, each run against a test CA; only the folder is another.
func TestDetect(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"mx1.crt", "mx1.issuer.crt", "mx1.key", "mx1.key.next", "privkey.pem", "privkey.roll.pem", "fullchain.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct {
		name string
		env  map[string]string
		args []string
		from string
		want Handover
	}{
		{name: "certbot 2.1.0", env: map[string]string{"RENEWED_LINEAGE": dir, "RENEWED_DOMAINS": "mx1.example.com mx2.example.com"},
			want: Handover{Client: Certbot, Cert: in("fullchain.pem"), Key: in("privkey.pem"), Names: []string{"mx1.example.com", "mx2.example.com"}}},
		{name: "certbot with the name of the certificate", env: map[string]string{"RENEWED_LINEAGE": dir}, args: []string{"mx1"},
			want: Handover{Client: Certbot, Cert: in("fullchain.pem"), Key: in("privkey.pem"), Args: []string{"mx1"}}},
		{name: "lego 4.9.1 renew", env: map[string]string{"LEGO_ACCOUNT_EMAIL": "", "LEGO_CERT_DOMAIN": "mx1.example.com", "LEGO_CERT_PATH": in("mx1.crt"), "LEGO_CERT_KEY_PATH": in("mx1.key"),
			"LEGO_CERT_PEM_PATH": in("mx1.pem"), "LEGO_CERT_PFX_PATH": in("mx1.pfx")},
			want: Handover{Client: Lego, Cert: in("mx1.crt"), Issuer: in("mx1.issuer.crt"), Key: in("mx1.key"), Names: []string{"mx1.example.com"}}},
		{name: "lego 4.35.2", env: map[string]string{"LEGO_CERT_DOMAIN": "mx1.example.com", "LEGO_CERT_PATH": in("mx1.crt"), "LEGO_CERT_KEY_PATH": in("mx1.key"), "LEGO_ISSUER_CERT_PATH": in("mx1.issuer.crt")},
			want: Handover{Client: Lego, Cert: in("mx1.crt"), Issuer: in("mx1.issuer.crt"), Key: in("mx1.key"), Names: []string{"mx1.example.com"}}},
		{name: "lego 5.6.0", env: map[string]string{"LEGO_HOOK_CERT_NAME": "mx1", "LEGO_HOOK_CERT_DOMAINS": "mx1.example.com,mx2.example.com", "LEGO_HOOK_CERT_PATH": in("mx1.crt"),
			"LEGO_HOOK_CERT_KEY_PATH": in("mx1.key"), "LEGO_HOOK_ISSUER_CERT_PATH": in("mx1.issuer.crt")},
			want: Handover{Client: Lego, Cert: in("mx1.crt"), Issuer: in("mx1.issuer.crt"), Key: in("mx1.key"), Names: []string{"mx1.example.com", "mx2.example.com"}}},
		{name: "lego with a CSR names a key that is not there", env: map[string]string{"LEGO_CERT_DOMAIN": "mx1.example.com", "LEGO_CERT_PATH": in("other.crt"), "LEGO_CERT_KEY_PATH": in("other.key")},
			want: Handover{Client: Lego, Cert: in("other.crt"), Key: in("other.key"), Names: []string{"mx1.example.com"}}},
		{name: "acme.sh 3.1.4 reloadcmd", env: map[string]string{"CERT_PATH": in("mx1.cer"), "CERT_KEY_PATH": in("mx1.key"), "CA_CERT_PATH": in("ca.cer"), "CERT_FULLCHAIN_PATH": in("fullchain.pem"), "Le_Domain": "mx1.example.com"},
			want: Handover{Client: AcmeSh, Cert: in("fullchain.pem"), Key: in("mx1.key"), Next: in("mx1.key.next"), Names: []string{"mx1.example.com"}}},
		{name: "dehydrated deploy_cert", args: []string{"deploy_cert", "mx1.example.com", in("privkey.pem"), in("cert.pem"), in("fullchain.pem"), in("chain.pem"), "1764000000"},
			want: Handover{Client: Dehydrated, Cert: in("fullchain.pem"), Key: in("privkey.pem"), Next: in("privkey.roll.pem"), Names: []string{"mx1.example.com"}}},
		{name: "dehydrated unchanged_cert brings only the next key", args: []string{"unchanged_cert", "mx1.example.com", in("privkey.pem"), in("cert.pem"), in("fullchain.pem"), in("chain.pem")},
			want: Handover{Client: Dehydrated, Next: in("privkey.roll.pem"), Names: []string{"mx1.example.com"}}},
		{name: "dehydrated startup_hook", args: []string{"startup_hook"}, want: Handover{Client: Dehydrated}},
		{name: "dehydrated tries an event that no hook knows", args: []string{"this_hookscript_is_broken__dehydrated_is_working_fine__please_ignore_unknown_hooks_in_your_script"}, want: Handover{Client: Dehydrated}},
		{name: "an event of a newer dehydrated", from: "dehydrated", args: []string{"brand_new_event", "x"}, want: Handover{Client: Dehydrated}},
		{name: "--from decides between two", from: "certbot", env: map[string]string{"RENEWED_LINEAGE": dir, "LEGO_CERT_PATH": in("mx1.crt")},
			want: Handover{Client: Certbot, Cert: in("fullchain.pem"), Key: in("privkey.pem")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Detect(test.from, test.args, func(name string) string { return test.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			if test.want.Names == nil {
				got.Names = nil // a client that tells none may give an empty list
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A hook that guesses would stage the wrong key: what is unclear is refused.
func TestDetectRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		from string
		want string
	}{
		"two clients":            {env: map[string]string{"RENEWED_LINEAGE": "/a", "LEGO_CERT_PATH": "/b"}, want: "one of certbot and like one of lego"},
		"unknown client":         {from: "certbott", want: "known are certbot, lego, acme.sh, dehydrated"},
		"certbot without":        {from: "certbot", want: "RENEWED_LINEAGE is not set"},
		"lego without a key":     {env: map[string]string{"LEGO_HOOK_CERT_PATH": "/a.crt"}, want: "LEGO_HOOK_CERT_KEY_PATH is not set"},
		"acme.sh without a key":  {from: "acme.sh", env: map[string]string{"CERT_FULLCHAIN_PATH": "/a"}, want: "CERT_KEY_PATH is not set"},
		"dehydrated, too little": {args: []string{"deploy_cert", "mx1.example.com"}, want: "at least 5 arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Detect(test.from, test.args, func(name string) string { return test.env[name] })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := Detect("", []string{"mx1"}, func(string) string { return "" }); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody called, and the error is %v", err)
	}
}
