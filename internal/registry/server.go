package registry

// What naru server writes to the registry with: a user of its own, whose password is in a Secret of naru-system and nowhere else
// but, hashed, in the registry's list of users. Whoever installs the registry makes the Secret.
const (
	// ServerUser is that user.
	ServerUser = "naru-server"
	// ServerSecret holds the password, and the certificate that the registry's is signed with.
	ServerSecret   = "registry-server"
	ServerPassword = "password"
	ServerCA       = "ca.crt"
	// ReadURL and WriteURL are the registry's two doors inside of the hosting cluster: anybody reads, users write.
	ReadURL  = "https://registry.naru-system.svc"
	WriteURL = "https://registry-push.naru-system.svc"
)
