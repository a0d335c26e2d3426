package providers_test

import (
	"testing"

	"github.com/tlsamgr/tlsamgr/providers/providerstest"
	"github.com/tlsamgr/tlsamgr/providers/vendortest"
)

func cloudflare() providerstest.Vendor {
	return providerstest.Vendor{
		Provider: "cloudflare",
		Options:  map[string]any{"api_token": vendortest.CloudflareToken},
		Secrets:  []string{vendortest.CloudflareToken},
		Limits:   providerstest.Limits{MinTTL: 60, MaxTTL: 86400, Assigned: true},
		API: func(t *testing.T) *vendortest.API {
			api, err := vendortest.NewCloudflare(providerstest.Apex, providerstest.Content)
			if err != nil {
				t.Fatal(err)
			}
			return api
		},
	}
}
func TestCloudflare(t *testing.T) { providerstest.RunVendor(t, cloudflare()) }
