package dane

import (
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// names gives the names a certificate is for, in lower case: its DNS-IDs, and
// only when it has none its CN-IDs (RFC 7672, Section 3.2.3).
func (c *certificate) names() []string {
	found, present := c.alternativeNames()
	if !present {
		found = c.commonNames()
	}
	var names []string
	for _, name := range found {
		if name = strings.ToLower(name); isHostPattern(name) {
			names = append(names, name)
		}
	}
	return names
}

// alternativeNames gives the dNSName entries of the subject alternative name
// (RFC 5280, Section 4.2.1.6). present says that common names do not count:
// there is such an entry, or the extension is damaged.
func (c *certificate) alternativeNames() (names []string, present bool) {
	list := cryptobyte.String(c.extensions)
	for !list.Empty() {
		var extension, oid, value cryptobyte.String
		if !list.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
			return names, true
		}
		if string(oid) != "\x55\x1d\x11" { // id-ce-subjectAltName
			continue
		}
		if !extension.SkipOptionalASN1(asn1.BOOLEAN) || !extension.ReadASN1(&value, asn1.OCTET_STRING) || !value.ReadASN1(&value, asn1.SEQUENCE) {
			return names, true
		}
		for !value.Empty() {
			var name cryptobyte.String
			var kind asn1.Tag
			if !value.ReadAnyASN1(&name, &kind) {
				return names, true
			}
			if kind == asn1.Tag(2).ContextSpecific() { // dNSName
				names = append(names, string(name))
			}
		}
	}
	return names, len(names) > 0
}

// commonNames gives the common names of the subject that are in an encoding
// which has ASCII letters as they are.
func (c *certificate) commonNames() (names []string) {
	subject := cryptobyte.String(c.subject)
	var rdns, rdn, attribute, oid, value cryptobyte.String
	var kind asn1.Tag
	if !subject.ReadASN1(&rdns, asn1.SEQUENCE) {
		return nil
	}
	for rdns.ReadASN1(&rdn, asn1.SET) {
		for rdn.ReadASN1(&attribute, asn1.SEQUENCE) {
			if !attribute.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || !attribute.ReadAnyASN1(&value, &kind) {
				continue
			}
			switch kind {
			case asn1.UTF8String, asn1.PrintableString, asn1.IA5String, asn1.T61String:
				if string(oid) == "\x55\x04\x03" { // id-at-commonName
					names = append(names, string(value))
				}
			}
		}
	}
	return names
}

// isHostPattern says whether a lower-case name can be compared with a host
// name: letters, digits and the like, possibly a wildcard, and no empty label.
func isHostPattern(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.*"
	return len(name) <= 253 && strings.Trim(name, allowed) == "" && !slices.Contains(strings.Split(name, "."), "")
}

// covers says whether a name of a certificate is for a host name. A wildcard
// must be the whole first label and stands for exactly one label (RFC 7672,
// Section 3.2.3); as in OpenSSL it needs two labels after it.
func covers(pattern, name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	parent, wildcard := strings.CutPrefix(pattern, "*.")
	if !wildcard {
		return name != "" && pattern == name && !strings.Contains(pattern, "*")
	}
	label, rest, _ := strings.Cut(name, ".")
	return label != "" && rest == parent && strings.Contains(parent, ".") && !strings.Contains(parent, "*")
}
