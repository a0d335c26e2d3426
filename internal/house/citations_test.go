package house

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A citation names a section of an RFC: "RFC 7671, Section 8.1".
type citation struct {
	rfc     int
	section string // "Section 8.1", "Appendix A"
}

func (c citation) String() string { return fmt.Sprintf("RFC %d, %s", c.rfc, c.section) }

// compare orders citations as the documents do: Section 10 follows Section 9.
func (c citation) compare(d citation) int {
	return cmp.Or(cmp.Compare(c.rfc, d.rfc), slices.Compare(numbers(c.section), numbers(d.section)), strings.Compare(c.section, d.section))
}

// numbers gives the parts of a section's number; appendices follow the sections.
func numbers(section string) (parts []int) {
	_, number, _ := strings.Cut(section, " ")
	for part := range strings.SplitSeq(number, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			n = 1000 + int(part[0])
		}
		parts = append(parts, n)
	}
	return parts
}

// gap is what may stand between the words of a citation: it may run over the
// end of a line of a comment.
const gap = `(?:\s|//)+`

// exact gives the pattern of the one form in which a section is cited.
func exact() *regexp.Regexp {
	return regexp.MustCompile(`\bRFC` + gap + `(\d+),` + gap + `(Section|Appendix)` + gap + `([0-9]+(?:\.[0-9]+)*|[A-Z](?:\.[0-9]+)*)`)
}

// loose gives patterns for every form that people use: number and section are
// groups 1 and 2, or 2 and 1 in the second.
func loose() (usual, reversed *regexp.Regexp) {
	section := `([0-9]+(?:\.[0-9]+)*)`
	return regexp.MustCompile(`(?i)\bRFC(?:\s|//)*(\d+),?(?:\s|//)*(?:sections?|sec\.?|s\.|§)(?:\s|//)*` + section),
		regexp.MustCompile(`(?i)\b(?:sections?|sec\.|§) ?` + section + gap + `of` + gap + `RFC ?(\d+)`)
}

// citations gives the sections that a text cites, each once, in order.
func citations(text []byte) (cited []citation) {
	for _, m := range exact().FindAllSubmatch(text, -1) {
		rfc, err := strconv.Atoi(string(m[1]))
		if err == nil {
			cited = append(cited, citation{rfc, string(m[2]) + " " + string(m[3])})
		}
	}
	slices.SortFunc(cited, citation.compare)
	return slices.Compact(cited)
}

// checkCitationForm holds the one form, so that a search finds every place.
func checkCitationForm(t tree) (problems []string) {
	usual, reversed := loose()
	for _, file := range t.product {
		report := func(at []int, rfc, section string) {
			found := string(file.text[at[0]:at[1]])
			line := 1 + strings.Count(string(file.text[:at[0]]), "\n")
			problems = append(problems, fmt.Sprintf("%s:%d: %q is not of the form RFC %s, Section %s", file.name, line, found, rfc, section))
		}
		for _, at := range usual.FindAllSubmatchIndex(file.text, -1) {
			if !exact().Match(file.text[at[0]:at[1]]) {
				report(at, string(file.text[at[2]:at[3]]), string(file.text[at[4]:at[5]]))
			}
		}
		for _, at := range reversed.FindAllSubmatchIndex(file.text, -1) {
			report(at, string(file.text[at[4]:at[5]]), string(file.text[at[2]:at[3]]))
		}
	}
	return problems
}

func TestCitationForm(t *testing.T) { holds(t, checkCitationForm) }

func TestCitationOrder(t *testing.T) {
	text := "RFC 7671, Section 10 RFC 7671, Section 9.1 RFC 6698, Appendix A.1 RFC 6698, Section 2.1.1, RFC 7671, Section 9\n// and RFC 7671,\n// Section 10, RFC\n// 7672, Section 3."
	want := "RFC 6698, Section 2.1.1; RFC 6698, Appendix A.1; RFC 7671, Section 9; RFC 7671, Section 9.1; RFC 7671, Section 10; RFC 7672, Section 3"
	var got []string
	for _, c := range citations([]byte(text)) {
		got = append(got, c.String())
	}
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}
