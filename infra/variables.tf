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

variable "image" {
  description = "The image by its digest, if package is image."
  type        = string
  default     = ""
}

variable "zip" {
  type    = string
  default = "../lambda-deployment.zip"
}

variable "architecture" {
  type    = string
  default = "x86_64"
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
