package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionReport says what this program was built from.
type versionReport struct {
	Version  string         `json:"version"`
	Commit   string         `json:"commit,omitempty"`
	Time     string         `json:"time,omitempty"`     // of the commit
	Modified bool           `json:"modified,omitempty"` // built from a changed tree
	Go       string         `json:"go"`
	Modules  []moduleReport `json:"modules,omitempty"`
}

type moduleReport struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func newVersion(env Env, g *globals) *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "What this program was built from",
		Example: "  tlsamgr version -v\n  tlsamgr version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("this program holds no information about its build")
			}
			report := versionOf(info, g.verbose)
			switch output {
			case "json":
				return writeJSON(env.Out, report)
			case "text":
				return writeVersion(env.Out, report)
			}
			return usagef("unknown output %q: text or json", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "`FORM` of the answer: text or json")
	return cmd
}

// versionOf picks what people ask for; with all, every module in the binary.
func versionOf(info *debug.BuildInfo, all bool) versionReport {
	r := versionReport{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Commit = s.Value
		case "vcs.time":
			r.Time = s.Value
		case "vcs.modified":
			r.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if all {
			r.Modules = append(r.Modules, moduleReport{m.Path, m.Version})
		}
	}
	return r
}

func writeVersion(w io.Writer, r versionReport) error {
	commit := ""
	if r.Commit != "" {
		commit = " " + r.Commit
	}
	if r.Modified {
		commit += " (modified)"
	}
	_, err := fmt.Fprintf(w, "tlsamgr %s%s %s\n", r.Version, commit, r.Go)
	for _, m := range r.Modules {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %s %s\n", m.Path, m.Version)
		}
	}
	return err
}

// writeJSON gives one answer as indented JSON.
func writeJSON(w io.Writer, answer any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(answer)
}
