package zonefile

import (
	"slices"
	"strings"
)

// Edit is what is to change in a file: records between the marks, and the
// serial. A nil Serial leaves the digits alone.
type Edit struct {
	Add    []Line
	Remove []Line // as File.Owned gives them
	Serial *uint32
}

// splice replaces a part of the text.
type splice struct {
	at   span
	text string
}

// Edit gives the text after the edit. What the edit does not name stays as it
// is, byte for byte; without anything to add no marks are added either.
func (f *File) Edit(e Edit) []byte {
	var splices []splice
	for _, l := range f.lines {
		if slices.ContainsFunc(e.Remove, func(r Line) bool { return r.Owner == l.Owner && r.Record == l.Record }) {
			splices = append(splices, splice{at: l.at})
		}
	}
	splices = append(splices, f.insert(e.Add)...)
	if e.Serial != nil && f.serial.text != "" {
		splices = append(splices, splice{f.serial.at, spell(*e.Serial, f.serial.text)})
	}
	slices.SortStableFunc(splices, func(a, b splice) int { return a.at.from - b.at.from })
	var out []byte
	pos := 0
	for _, s := range splices {
		out = append(out, f.text[pos:s.at.from]...)
		out = append(out, s.text...)
		pos = max(pos, s.at.to)
	}
	return append(out, f.text[pos:]...)
}

// insert puts new lines at the end of the block, where it is and where it is not yet.
func (f *File) insert(add []Line) []splice {
	if len(add) == 0 {
		return nil
	}
	var b strings.Builder
	end := f.block.to
	unfinished := end > 0 && f.text[end-1] != '\n' // the last line has no line end
	if unfinished {
		b.WriteString(f.eol)
	}
	if len(f.text) == 0 {
		b.WriteString(Header + f.eol)
	}
	bare := !f.marked && f.serial.text != "" // a zone file without marks
	if bare {
		b.WriteString(Begin + f.eol)
	}
	for _, l := range add {
		b.WriteString(l.String() + f.eol)
	}
	if bare {
		b.WriteString(End)
		if !unfinished {
			b.WriteString(f.eol)
		}
	}
	return []splice{{span{end, end}, b.String()}}
}
