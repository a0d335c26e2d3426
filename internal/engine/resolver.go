package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/tlsamgr/tlsamgr/internal/config"
)

// resolvConf is where the system says which resolver it uses.
const resolvConf = "/etc/resolv.conf"

// resolverOf gives the address of the resolver: the configured one, else the
// first of the system's.
func resolverOf(cfg *config.Config) (string, error) {
	if cfg.Resolver != "" {
		return cfg.Resolver, nil
	}
	system, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return "", fmt.Errorf("no resolver is configured, and the system's cannot be read: %w", err)
	}
	for _, s := range system.Servers {
		if addr, err := netip.ParseAddr(s); err == nil {
			return net.JoinHostPort(addr.String(), system.Port), nil
		}
	}
	return "", fmt.Errorf("no resolver is configured, and %s names none", resolvConf)
}

// preflight finds out whether an insecure answer means an unsigned zone or a
// resolver that does not validate at all; empty: it does validate.
func (n names) preflight(ctx context.Context, zone string) string {
	if err := n.resolver.ProbeValidating(ctx, append([]string{zone}, n.zones...)...); err != nil {
		return err.Error()
	}
	return ""
}
