package providers

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecret: no way of printing shows what is inside.
func TestSecret(t *testing.T) {
	text := "hidden"
	secret := Secret{&text}
	s := struct {
		Secret  Secret
		Pointer *Secret
		Map     map[string]Secret
		private Secret
	}{secret, &secret, map[string]Secret{"a": secret}, secret}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%08b", "%!"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", s.Secret)
		fmt.Fprintf(&out, verb+"\n", s.Pointer)
		fmt.Fprintf(&out, verb+"\n", s.Map)
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s.Secret, "all", s)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", s.Secret, "all", s)
	out.WriteString(s.Secret.String() + s.Secret.GoString())
	for _, spelling := range []string{"hidden", fmt.Sprintf("%x", "hidden"), "104 105 100"} {
		if strings.Contains(out.String(), spelling) {
			t.Errorf("shown as %s in %s", spelling, out.String())
		}
	}
	if !strings.Contains(string(encoded), `"Secret":"[redacted]"`) || s.Secret.Reveal() != "hidden" {
		t.Errorf("got %s", encoded)
	}
}
