// Command tlsamgr turns certificates into TLSA records and carries keys
// through rollovers that no DANE sender notices.
package main

import (
	"context"
	"os"

	"github.com/tlsamgr/tlsamgr/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), cli.System(), os.Args[1:]))
}
