package providers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// zoneNames brings the names of zones into canonical form.
func zoneNames(names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, hinted(errors.New("no zone is named"), `say which zones the account holds: zones = ["example.com"]`)
	}
	var zones []string
	for _, name := range names {
		zone, err := canonical(name)
		if err != nil {
			return nil, fmt.Errorf("zone %q: %w", name, err)
		}
		if slices.Contains(zones, zone) {
			return nil, fmt.Errorf("zone %q is named twice", name)
		}
		zones = append(zones, zone)
	}
	return zones, nil
}

// canonical makes a domain name absolute and lower case. Names travel as text
// to programs and files, so only letters, digits, hyphens and underscores are
// let through; owners of TLSA records have no others (RFC 6698, Section 3).
func canonical(name string) (string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(name) > 253 {
		return "", fmt.Errorf("it has %d characters, more than 253", len(name)) // RFC 1035, Section 2.3.4
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return "", fmt.Errorf("a label has %d characters, not 1 to 63", len(label))
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", hinted(fmt.Errorf("the label %q has other characters than letters, digits, hyphens and underscores", label),
				"write internationalised names in their A-label form, xn--…")
		}
	}
	return name + ".", nil
}

// zoneOf gives the zone that an owner lies in: the longest of those that match.
func zoneOf(owner string, zones []string) (string, error) {
	var best string
	for _, zone := range zones {
		if (owner == zone || strings.HasSuffix(owner, "."+zone)) && len(zone) > len(best) {
			best = zone
		}
	}
	if best == "" {
		return "", hinted(fmt.Errorf("%s: %w %s", owner, ErrOutside, strings.Join(zones, " ")), "add its zone to the zones of the account")
	}
	return best, nil
}

// relative gives a name as seen from its zone, "@" for the zone itself. Both
// are canonical.
func relative(owner, zone string) string {
	if owner == zone {
		return "@"
	}
	return strings.TrimSuffix(owner, "."+zone)
}
