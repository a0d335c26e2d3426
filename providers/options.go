package providers

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// OptionError is one problem with one setting of a provider.
type OptionError struct {
	Provider string
	Key      string // as written in the configuration
	Err      error
	Advice   string // may be empty
}

// Error gives "setting key: problem".
func (e *OptionError) Error() string { return fmt.Sprintf("setting %s: %v", e.Key, e.Err) }

// Unwrap gives the problem alone.
func (e *OptionError) Unwrap() error { return e.Err }

// Hint gives the advice, or that of the problem itself.
func (e *OptionError) Hint() string {
	var near *hintError
	if e.Advice == "" && errors.As(e.Err, &near) {
		return near.hint
	}
	return e.Advice
}

// options hands out the settings of a provider by key and type. What is
// missing or wrong is collected, so that one error tells it all.
type options struct {
	settings Settings
	known    []string
	problems []error
}

func newOptions(s Settings) *options { return &options{settings: s} }

// err gives everything that was wrong, unknown keys included, in order of keys.
func (o *options) err() error {
	for _, key := range slices.Sorted(maps.Keys(o.settings.Options)) {
		if !slices.Contains(o.known, key) {
			o.fail(key, fmt.Errorf("the provider %s has no such setting", o.settings.Provider), "its settings are: "+strings.Join(o.known, ", "))
		}
	}
	return errors.Join(o.problems...)
}

func (o *options) fail(key string, err error, advice string) {
	o.problems = append(o.problems, &OptionError{Provider: o.settings.Provider, Key: key, Err: err, Advice: advice})
}

func (o *options) value(key string) (any, bool) {
	o.known = append(o.known, key)
	v, ok := o.settings.Options[key]
	return v, ok
}

// text gives a string, or fallback if the key is not there. An empty fallback
// makes the setting a required one; advice shows how it is written.
func (o *options) text(key, fallback, advice string) string {
	v, ok := o.value(key)
	text, isText := v.(string)
	switch {
	case !ok && fallback != "":
		return fallback
	case !ok:
		o.fail(key, errors.New("it is missing"), advice)
	case !isText || text == "":
		o.fail(key, errors.New("it must be a string that is not empty"), advice)
	}
	return text
}

// has says whether a key is there.
func (o *options) has(key string) bool {
	_, ok := o.settings.Options[key]
	return ok
}

// optionalSecret gives the secret behind a key that need not be there.
func (o *options) optionalSecret(key string) Secret {
	if !o.has(key) {
		o.known = append(o.known, key)
		return Secret{}
	}
	return o.secret(key)
}

// path gives an absolute path, "" if the key is not there.
func (o *options) path(key string) string {
	v, ok := o.value(key)
	if !ok {
		return ""
	}
	path, isText := v.(string)
	if !isText || !filepath.IsAbs(path) || filepath.Clean(path) != path {
		o.fail(key, fmt.Errorf("%v is not a clean absolute path", v), "")
		return ""
	}
	return path
}

// duration gives a time span above zero: "2m", "90s".
func (o *options) duration(key string, fallback time.Duration) time.Duration {
	v, ok := o.value(key)
	if !ok {
		return fallback
	}
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		o.fail(key, fmt.Errorf("%v is not a time span above zero", v), `write "30s", "2m" or "1h"`)
		return fallback
	}
	return d
}

// commands gives argument lists: one list of strings, or a list of such lists.
// ok says whether the key is there.
func (o *options) commands(key string) (commands [][]string, ok bool) {
	v, ok := o.value(key)
	if !ok {
		return nil, false
	}
	advice := `write ["program", "argument"], or a list of such lists`
	list, isList := anyList(v)
	if !isList {
		o.fail(key, errors.New("it must be a list"), advice)
		return nil, true
	}
	if len(list) > 0 {
		if _, nested := anyList(list[0]); !nested {
			list = []any{v}
		}
	}
	for _, item := range list {
		argv, isArgv := words(item)
		if !isArgv {
			o.fail(key, errors.New("it must hold strings only, the first of them a program"), advice)
			return nil, true
		}
		commands = append(commands, argv)
	}
	return commands, true
}

// anyList sees every kind of list as a list of anything.
func anyList(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []string:
		return toAny(v), true
	case [][]string:
		return toAny(v), true
	}
	return nil, false
}

func toAny[T any](list []T) []any {
	out := make([]any, len(list))
	for i, item := range list {
		out[i] = item
	}
	return out
}

// words reads an argument list.
func words(v any) ([]string, bool) {
	list, ok := anyList(v)
	var argv []string
	for _, item := range list {
		word, isText := item.(string)
		if !isText || strings.ContainsRune(word, 0) {
			return nil, false
		}
		argv = append(argv, word)
	}
	return argv, ok && len(argv) > 0 && argv[0] != ""
}

// secret gives the secret behind a required key.
func (o *options) secret(key string) Secret {
	v, ok := o.value(key)
	if !ok {
		o.fail(key, errors.New("it is missing"), secretAdvice)
		return Secret{}
	}
	s, err := readSecret(v, o.settings.Getenv)
	if err != nil {
		o.fail(key, err, "")
	}
	return s
}
