module github.com/rtcstack/rtcstack

go 1.26.0

require (
	github.com/pion/dtls/v3 v3.1.15
	github.com/stretchr/testify v1.12.1
	golang.org/x/crypto v0.58.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/pion/logging v0.2.4 // indirect
	github.com/pion/transport/v5 v5.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
