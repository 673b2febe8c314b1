variable "environment" {
  type = string
  validation {
    condition     = contains(["preprod", "prod"], var.environment)
    error_message = "The environment must be preprod or prod."
  }
}

variable "package" {
  description = "zip or image"
  type        = string
  validation {
    condition     = contains(["zip", "image"], var.package)
    error_message = "The package must be zip or image."
  }
}

variable "functions" {
  description = "Several functions, by the names that lambda-packager gives them, with what is not as for all. Empty for one."
  type = map(object({
    architecture      = optional(string)
    memory_mb         = optional(number)
    timeout_secs      = optional(number)
    url_authorization = optional(string)
  }))
  default = {}
}

variable "image" {
  description = "The image of the one function by its digest, if package is image."
  type        = string
  default     = ""
}

variable "images" {
  description = "The image of each of several functions by its digest, if package is image."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.images) : contains(keys(var.functions), name)])
    error_message = "There are images of functions that the variable `functions` does not name: ${join(", ", keys(var.images))}. Name all of them there, as in infra/functions.auto.tfvars."
  }
}

variable "zip" {
  description = "The zip; with {function} for the name if there are several. Otherwise where lambda-packager puts it."
  type        = string
  default     = null
}

variable "architecture" {
  description = "x86_64 or arm64: what `target_arch` is."
  type        = string
  default     = "x86_64"
}

variable "memory_mb" {
  type    = number
  default = 256
}

variable "timeout_secs" {
  type    = number
  default = 60
}

variable "url_authorization" {
  description = "AWS_IAM, or NONE for a public URL."
  type        = string
  default     = "AWS_IAM"
}
