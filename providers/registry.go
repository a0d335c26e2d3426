package providers

import (
	"slices"
	"strings"
)

// entry is what the registry knows about one provider.
type entry struct {
	name     string
	open     opener // nil: refused
	strategy string // how it writes
	limits   string // what its API allows and how that is kept, in words
	tested   string // against what
	refused  string // why it cannot be trusted with TLSA records
	instead  string // what its users can do, for refused ones
}

// registry holds every provider there is, each with one line so that adding
// one touches one line.
func registry() []entry {
	return slices.Concat([]entry{
		cloudflareEntry(),
		dynamicUpdates(),
		zoneFileEntry(),
	}, refusedProviders())
}

// Description tells what is known about a provider.
type Description struct {
	Name     string `json:"name"`
	Strategy string `json:"strategy,omitempty"` // how it writes
	Limits   string `json:"limits,omitempty"`   // what its API allows, and how that is kept
	Tested   string `json:"tested,omitempty"`   // against what
	Refused  string `json:"refused,omitempty"`  // why it is not opened; "" if it is
	Instead  string `json:"instead,omitempty"`  // what users of a refused one can do
}

// All describes every provider, those that are refused included, sorted by name.
func All() []Description {
	var out []Description
	for _, e := range registry() {
		out = append(out, Description{Name: e.name, Strategy: e.strategy, Limits: e.limits, Tested: e.tested, Refused: e.refused, Instead: e.instead})
	}
	slices.SortFunc(out, func(a, b Description) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Names gives the names of all providers that Open takes, sorted.
func Names() []string {
	var names []string
	for _, e := range registry() {
		if e.open != nil {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}
