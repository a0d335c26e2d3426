package zonefile

import (
	"strconv"
	"time"
)

// Newer says whether serial a follows serial b in the circle of serials
// (RFC 1982, Section 3.2).
func Newer(a, b uint32) bool { return a != b && a-b < 1<<31 }

// NextSerial gives the serial after the current one. A serial of the form
// YYYYMMDDnn moves on to today's 01 when that is later; in every other case
// the serial grows by one, also past nn = 99 (RFC 1912, Section 2.2). Zero is
// left out: "unusual behaviour may be expected if zero is used" (RFC 1982,
// Section 7).
func NextSerial(current uint32, now time.Time) uint32 {
	if today := dateSerial(now); isDate(current) && today > current && Newer(today, current) {
		return today
	}
	if current+1 == 0 {
		return 1
	}
	return current + 1
}

// dateSerial gives the first serial of a day, by the date in UTC.
func dateSerial(now time.Time) uint32 {
	year, month, day := now.UTC().Date()
	return uint32(year*1000000+int(month)*10000+day*100) + 1
}

// isDate says whether a serial can be read as YYYYMMDDnn. The day is not
// checked against its month: 2026113100 is what follows 2026113099.
func isDate(serial uint32) bool {
	year, month, day := serial/1000000, serial/10000%100, serial/100%100
	return year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1 && day <= 31
}

// spell writes a serial as wide as the digits that it replaces, where those
// begin with zeros.
func spell(serial uint32, old string) string {
	digits := strconv.FormatUint(uint64(serial), 10)
	if old[0] != '0' {
		return digits
	}
	for len(digits) < len(old) {
		digits = "0" + digits
	}
	return digits
}
