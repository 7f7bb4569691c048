variable "nodes" {
  type        = number
  default     = 2
  description = "How many machines there are, 1 to 3, and replicas of CoreDNS."
}

variable "team" {
  type        = string
  default     = "web"
  description = "Whose it is: a tag of everything, a label of the nodes, and the namespaces that alice may look at."
}

variable "logs" {
  type        = set(string)
  default     = []
  description = "Logs of the control plane to keep, as audit."
}

variable "cidrs" {
  type        = set(string)
  default     = ["0.0.0.0/0"]
  description = "Who reaches the cluster's endpoint."
}

variable "issuer" {
  type        = string
  default     = null
  description = "An OpenID Connect provider whose users the cluster lets in; it must be reachable from the cluster's nodes."
}
