package providers

// delegate is what users of a refused provider can do.
const delegate = "delegate _tcp.HOST as a zone of its own to a server that takes RFC 2136 updates or reads a zone file"

// refusedProviders are those whose interface, or whose libdns module, loses
// or overwrites TLSA records, so that a setting with their name gets the reason
// instead of "unknown". Each was found in the module's source, most by running
// it.
func refusedProviders() []entry {
	reasons := [][2]string{
		{"acmedns", "it holds TXT records only"},
		{"azure", "its DNS has no TLSA records"},
		{"bunny", "a record of a type that the module does not know makes the whole zone unreadable, and TLSA is one"},
		{"digitalocean", "its DNS has no TLSA records"},
		{"dnsimple", "deleting takes the first record whose name contains the one that is meant, and only the first page of a zone is read"},
		{"duckdns", "it holds addresses and TXT records only"},
		{"gcore", "of several records with one name only the last is kept"},
		{"godaddy", "adding a record replaces those that are there"},
		{"googleclouddns", "every value with a space is put in quotes, which makes it no TLSA record"},
		{"he", "its dynamic DNS holds addresses and TXT records only"},
		{"ionos", "deleting one record removes all records of that name and type"},
		{"leaseweb", "its module does not build with the libdns of today"},
		{"linode", "writing a TLSA record fails, and the module says that it succeeded"},
		{"namecheap", "every write replaces the whole zone, and TTLs are cut to 16 bits"},
		{"netcup", "deleting takes the first record of that name and type, whatever its value: it may be the one in use"},
		{"njalla", "TLSA records are deleted without effect and without error"},
		{"porkbun", "TLSA records cannot be read, and deleting one removes all of that name"},
		{"scaleway", "only the first 20 records of a zone are read, so records in use are overlooked"},
		{"vultr", "its DNS has no TLSA records"},
	}
	var out []entry
	for _, r := range reasons {
		out = append(out, entry{name: r[0], refused: r[1], instead: delegate})
	}
	return out
}
