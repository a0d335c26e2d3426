package zonefile

import (
	"testing"
	"time"
)

func TestNextSerial(t *testing.T) {
	day := time.Date(2026, 11, 23, 23, 59, 0, 0, time.FixedZone("", -3600)) // 24 November in UTC
	tests := []struct{ current, want uint32 }{
		{1, 2},
		{0, 1},
		{4294967295, 1},
		{2147483647, 2147483648},
		{1764000000, 1764000001}, // seconds since 1970 are not a date
		{2026112301, 2026112401},
		{2026112400, 2026112401},
		{2026112401, 2026112402},
		{2026112499, 2026112500},
		{2026123199, 2026123200},
		{2030010101, 2030010102},
		{1999123101, 2026112401},
		{2026113001, 2026113002},
		{2026130101, 2026130102},
		{2026002301, 2026002302},
		{20261123, 20261124},
	}
	for _, test := range tests {
		got := NextSerial(test.current, day)
		if got != test.want || !Newer(got, test.current) {
			t.Errorf("after %d comes %d, want %d", test.current, got, test.want)
		}
	}
}

func TestNewer(t *testing.T) {
	// RFC 1982, Section 5.2, made 32 bits wide.
	const top = 1 << 31
	tests := []struct {
		a, b uint32
		want bool
	}{{1, 0, true}, {44, 0, true}, {100, 0, true}, {100, 44, true}, {top + 200 - 128, 100, true}, {0, 1<<32 - 1, true}, {0, top, false}, {top, 0, false}, {5, 5, false}, {0, 1, false}}
	for _, test := range tests {
		if got := Newer(test.a, test.b); got != test.want {
			t.Errorf("Newer(%d, %d) = %v", test.a, test.b, got)
		}
	}
}

func TestSerialKeepsItsWidth(t *testing.T) {
	serial := uint32(43)
	for old, want := range map[string]string{"42": "43", "0042": "0043", "0": "43", "4294967295": "43", "00": "43"} {
		text := "@ 60 SOA ns h " + old + " 2 3 4 5\n"
		if got := string(parse(t, text).Edit(Edit{Serial: &serial})); got != "@ 60 SOA ns h "+want+" 2 3 4 5\n" {
			t.Errorf("%s: got %s", old, got)
		}
	}
}
